"""The top line: where we are, what runs there, and whether the figures are live."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from tui.widgets import palette

Link = Literal["connecting", "live", "stale", "lost"]
Part = tuple[str, str, bool]
_LINKS = {
    "connecting": ("◌", "busy"),
    "live": ("●", "ok"),
    "stale": ("▲", "warn"),
    "lost": ("✕", "bad"),
}


@dataclass(frozen=True, slots=True)
class HeaderState:
    """All the header says. ``since`` is a phrase such as ``12 s``."""

    engine: str = ""
    endpoint: str = ""
    counts: str = ""
    link: Link = "connecting"
    since: str = ""
    warnings: int = 0


class Header(Widget):
    """One line; when room is short the endpoint goes first, then words, then counts: never the
    state of the link."""

    DEFAULT_CSS = "Header { dock: top; height: 1; background: $panel; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state = HeaderState()

    def show(self, state: HeaderState) -> None:
        """Draw this, if it differs from what is drawn."""
        if state != self.state:
            self.state = state
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The line."""
        base = self.rich_style
        left = self._left()
        right, room = self._fitting(self.size.width - _width(left))
        endpoint = self.state.endpoint if cell_len(self.state.endpoint) + 3 <= room else ""
        parts = [*left, (f"  {endpoint}" if endpoint else "", "dim", False)]
        used = _width(parts) + _width(right)
        parts += [(" " * max(1, self.size.width - used), "dim", False), *right]
        segments = [
            Segment(text, base + palette.tone(self, tone, bold=bold)) for text, tone, bold in parts
        ]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _fitting(self, room: int) -> tuple[list[Part], int]:
        """The right side in as many words as fit, and the room that is left."""
        for words, counts in ((True, True), (False, True), (False, False)):
            right = self._right(words=words, counts=counts)
            if _width(right) + 2 <= room:
                break
        return right, room - _width(right)

    def _left(self) -> list[Part]:
        parts = [(" ⚓ berth ", "accent", True)]
        if self.state.engine:
            parts += [("│ ", "faint", False), (self.state.engine, "title", False)]
        return parts

    def _right(self, *, words: bool, counts: bool) -> list[Part]:
        state = self.state
        glyph, tone = _LINKS[state.link]
        said = {"live": "live", "connecting": "connecting"}.get(state.link, "")
        if state.link == "stale":
            said = f"stale {state.since}".rstrip()
        if state.link == "lost":
            said = "no engine"
        parts = [(state.counts + "  " if state.counts and counts else "", "text", False)]
        if state.warnings:
            word = " warning" if state.warnings == 1 else " warnings"
            parts.append((f"▲ {state.warnings}{word if words else ''}  ", "warn", False))
        return [*parts, (f"{glyph} {said} ", tone, state.link != "live")]


def _width(parts: Sequence[Part]) -> int:
    return sum(cell_len(text) for text, _, _ in parts)
