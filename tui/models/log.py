"""One line a container wrote."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogLine:
    """``text`` has no line end and is as the container wrote it: render makes it harmless.

    ``stream`` is ``stdout`` or ``stderr`` (always ``stdout`` with a terminal). ``partial`` marks
    a line cut by the engine's or our own length cap, or the unfinished last one.
    """

    text: str
    stream: str = "stdout"
    time: float | None = None
    partial: bool = False
