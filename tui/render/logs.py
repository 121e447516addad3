"""Log lines."""

from tui.models import LogLine
from tui.render import units
from tui.render.cells import Cell
from tui.render.text import plain

LONGEST = 20_000
"""Characters of one line that are ever handed to the screen."""


def body(line: LogLine) -> Cell:
    """What the container wrote, without what a terminal would act on; stderr stands out."""
    text = line.text
    cut = plain(text[:LONGEST]) + (
        f"… (+{len(text) - LONGEST} characters)" if len(text) > LONGEST else ""
    )
    return Cell(cut, "warn" if line.stream == "stderr" else "")


def time(line: LogLine) -> Cell:
    """When it was written, local time."""
    return Cell(units.clock(line.time), "muted")


def line(entry: LogLine, *, show_time: bool = False) -> str:
    """One line of text, as saved and copied."""
    text = body(entry).text
    return f"{time(entry).text} {text}" if show_time else text
