"""What a renderer gives back: text with the name of a style, never a colour."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Style = Literal["", "ok", "warn", "error", "muted", "accent", "info"]


class Cell(NamedTuple):
    """Plain text, already harmless to a terminal, and how it should look."""

    text: str
    style: Style = ""


@dataclass(frozen=True, slots=True)
class Column:
    """``key`` names the column in sorting and settings; ``width`` is in terminal cells."""

    key: str
    title: str
    width: int
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True, slots=True)
class Section:
    """A titled group of (key, value) lines of a detail view."""

    title: str
    rows: tuple[tuple[str, Cell], ...]


NOTHING = Cell("—", "muted")
