"""The bottom line: the keys that do something here, most useful first."""

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
class Hint:
    """One key with its word. ``tail`` hints stand at the right and never give way."""

    action: str
    key: str
    word: str
    group: str = ""
    enabled: bool = True
    danger: bool = False
    tail: bool = False


class Footer(Widget):
    """Shows as many hints as fit whole; a click does what the key does."""

    DEFAULT_CSS = "Footer { dock: bottom; height: 1; background: $panel; }"

    class Clicked(Message):
        """A hint was clicked."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.hints: tuple[Hint, ...] = ()
        self._spans: list[tuple[int, int, str]] = []

    def show(self, hints: Sequence[Hint]) -> None:
        """Draw these, if they differ from what is drawn."""
        if tuple(hints) != self.hints:
            self.hints = tuple(hints)
            self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Do what the key does."""
        for start, end, action in self._spans:
            if start <= event.x < end:
                self.post_message(self.Clicked(action))

    def render_line(self, y: int) -> Strip:
        """The line."""
        base = self.rich_style
        tail = [hint for hint in self.hints if hint.tail]
        room = self.size.width - sum(_width(hint) for hint in tail) - 1
        shown = self._fitting([hint for hint in self.hints if not hint.tail], room)
        self._spans = []
        segments = [Segment(" ", base)]
        x = 1
        for place, hint in enumerate(shown):
            if place and hint.group != shown[place - 1].group:
                segments.append(Segment("│ ", base + palette.tone(self, "faint")))
                x += 2
            x = self._add(segments, hint, x)
        gap = max(0, self.size.width - x - sum(_width(hint) for hint in tail))
        segments.append(Segment(" " * gap, base))
        x += gap
        for hint in tail:
            x = self._add(segments, hint, x)
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _fitting(self, hints: Sequence[Hint], room: int) -> list[Hint]:
        shown: list[Hint] = []
        used = 0
        for hint in hints:
            bar = 2 if shown and shown[-1].group != hint.group else 0
            if used + bar + _width(hint) > room:
                break
            used += bar + _width(hint)
            shown.append(hint)
        return shown

    def _add(self, segments: list[Segment], hint: Hint, x: int) -> int:
        base = self.rich_style
        key = "bad" if hint.danger else "accent"
        word = "text"
        if not hint.enabled:
            key = word = "faint"
        segments.append(Segment(hint.key, base + palette.tone(self, key, bold=True)))
        segments.append(Segment(f" {hint.word}  ", base + palette.tone(self, word)))
        end = x + _width(hint)
        self._spans.append((x, end, hint.action))
        return end


def _width(hint: Hint) -> int:
    return cell_len(hint.key) + cell_len(hint.word) + 3
