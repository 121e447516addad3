"""How an action ended, for the notice, the journal and bulk summaries."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ActionResult:
    """``command`` is the docker line that does the same, to show and to copy."""

    action: str
    target: str
    ok: bool
    message: str = ""
    command: str = ""
    id: str = ""
    warnings: tuple[str, ...] = ()
