"""Tabs on one line: number, title and count; the current one is underlined by colour and weight."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.widgets import palette


@dataclass(frozen=True, slots=True)
class Tab:
    """``count`` is a short text such as ``7`` or ``2/7``."""

    key: str
    title: str
    number: str = ""
    count: str = ""


class TabStrip(Widget):
    """Says `Chosen` when a tab is clicked; keys belong to the screen."""

    DEFAULT_CSS = "TabStrip { height: 1; }"

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, strip: "TabStrip", key: str) -> None:
            super().__init__()
            self.strip = strip
            self.key = key

        @property
        def control(self) -> "TabStrip":
            """The strip it came from."""
            return self.strip

    def __init__(self, tabs: Sequence[Tab], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.tabs = tuple(tabs)
        self.current = self.tabs[0].key if self.tabs else ""
        self.note = ""
        self._spans: list[tuple[int, int, str]] = []

    def show(self, tabs: Sequence[Tab], current: str, note: str = "") -> None:
        """Draw these, if they differ from what is drawn."""
        if (tuple(tabs), current, note) != (self.tabs, self.current, self.note):
            self.tabs, self.current, self.note = tuple(tabs), current, note
            self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Choose the tab."""
        for start, end, key in self._spans:
            if start <= event.x < end:
                self.post_message(self.Chosen(self, key))

    def render_line(self, y: int) -> Strip:
        """The line."""
        base = self.rich_style
        segments: list[Segment] = []
        self._spans = []
        x = 0
        for tab in self.tabs:
            start = x
            for text, tone, bold in self._parts(tab):
                on = "cursor-row-idle" if tab.key == self.current else ""
                style = base + palette.tone(self, tone, on=on, bold=bold)
                segments.append(Segment(text, style))
                x += cell_len(text)
            self._spans.append((start, x, tab.key))
            segments.append(Segment(" ", base))
            x += 1
        note = f"{self.note} "
        if self.note and x + cell_len(note) <= self.size.width:
            segments.append(Segment(" " * (self.size.width - x - cell_len(note)), base))
            segments.append(Segment(note, base + palette.tone(self, "dim")))
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _parts(self, tab: Tab) -> list[tuple[str, str, bool]]:
        chosen = tab.key == self.current
        parts = [(f" {tab.number} " if tab.number else " ", "accent", chosen)]
        parts.append((f"{tab.title} ", "title" if chosen else "dim", chosen))
        if tab.count:
            parts.append((f"{tab.count} ", "text" if chosen else "faint", False))
        return parts
