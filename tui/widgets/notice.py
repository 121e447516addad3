"""What stands where a list would be, when there is no list: loading, empty, error."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.align import Align
from rich.console import Group, RenderableType
from rich.text import Text
from textual.widget import Widget

from tui.widgets import palette


@dataclass(frozen=True, slots=True)
class NoticeState:
    """``keys`` are (key, what it does): the ways on from here."""

    title: str
    body: str = ""
    tone: str = "dim"
    glyph: str = ""
    keys: tuple[tuple[str, str], ...] = ()


class Notice(Widget):
    """A centred message: what is so, why, and what to do next."""

    DEFAULT_CSS = "Notice { height: 1fr; content-align: center middle; padding: 1 2; }"

    def __init__(self, state: NoticeState, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state = state

    def show(self, state: NoticeState) -> None:
        """Draw this, if it differs from what is drawn."""
        if state != self.state:
            self.state = state
            self.refresh()

    def render(self) -> RenderableType:
        """Title, body, keys."""
        state = self.state
        title = f"{state.glyph} {state.title}".strip()
        parts = [Text(title, palette.tone(self, state.tone, bold=True), justify="center")]
        if state.body:
            body = Text(state.body, palette.tone(self, "text"), justify="center")
            parts += [Text(""), body]
        lines: list[RenderableType] = [*parts]
        if state.keys:
            lines += [Text(""), Align.center(self._keys(state.keys))]
        return Group(*lines)

    def _keys(self, keys: Sequence[tuple[str, str]]) -> Text:
        width = max(len(key) for key, _ in keys)
        text = Text()
        for place, (key, word) in enumerate(keys):
            text.append("\n" if place else "")
            text.append(f"{key:>{width}}", palette.tone(self, "accent", bold=True))
            text.append(f"  {word}", palette.tone(self, "text"))
        return text
