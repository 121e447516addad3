"""All keys that work where the person was, made from the live keymap."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui import actions
from tui.widgets import palette
from tui.widgets.document import Document


class Help(ModalScreen[None]):
    """Any of escape, q, ? leaves."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "leave", "Back", show=False),
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("pagedown,space,ctrl+d,ctrl+f", "page(0.9)", "A page down", show=False),
        Binding("pageup,ctrl+u,ctrl+b", "page(-0.9)", "A page up", show=False),
        Binding("home,g", "end(-1)", "To the start", show=False),
        Binding("end,G", "end(1)", "To the end", show=False),
    ]

    def __init__(self, scopes: Sequence[str], keymap: Mapping[str, str]) -> None:
        super().__init__()
        self.scopes = scopes
        self.keymap = keymap

    def compose(self) -> ComposeResult:
        """A page in a box."""
        with Vertical(id="help") as box:
            box.border_title = "Keys that work here"
            box.border_subtitle = "↓ goes on · esc leaves"
            yield Document()

    def on_mount(self) -> None:
        """Fill it."""
        page = self.query_one(Document)
        page.set_lines(self._lines())
        page.focus()

    def _lines(self) -> list[Text]:
        live = actions.live(self.scopes, self.keymap)
        lines: list[Text] = []
        for group, title in actions.GROUPS.items():
            members = [(action, keys) for action, keys in live if action.group == group]
            if not members:
                continue
            lines += [Text("")] if lines else []
            lines.append(Text.assemble((title, palette.tone(self, "title", bold=True))))
            lines += [self._line(action, keys) for action, keys in members]
            if group == "list":
                lines.append(self._entry("⇧ letter", "Sort by the title with that letter", ""))
        return lines

    def _line(self, action: actions.Action, keys: Sequence[str]) -> Text:
        return self._entry("  ".join(keys), action.title, "bad" if action.danger else "")

    def _entry(self, keys: str, title: str, tone: str) -> Text:
        key_style = palette.tone(self, tone or "accent", bold=True)
        return Text.assemble((f"  {keys:>14}  ", key_style), (title, palette.tone(self, "text")))

    def action_scroll(self, rows: int) -> None:
        """Through the page."""
        self.query_one(Document).action_scroll_rows(rows)

    def action_page(self, pages: float) -> None:
        """By screens."""
        self.query_one(Document).action_scroll_pages(pages)

    def action_end(self, way: int) -> None:
        """To the start or the end."""
        page = self.query_one(Document)
        page.action_to_end() if way > 0 else page.action_to_start()

    def action_leave(self) -> None:
        """Back."""
        self.dismiss(None)
