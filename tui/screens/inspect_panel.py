"""Grouped facts of a container or an image, or the engine's own document."""

import re
from collections.abc import Callable, Sequence

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tui.render.cells import Section
from tui.render.inspect import json_lines
from tui.screens.copying import copy
from tui.widgets import palette
from tui.widgets.document import Document
from tui.widgets.prompt import Prompt

_JSON = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=\s*:)|(?P<text>"(?:[^"\\]|\\.)*")'
    r"|(?P<word>\b(?:true|false|null)\b)|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
)
_JSON_TONES = {"key": "accent", "text": "text", "word": "busy", "number": "warn"}


class InspectPanel(Vertical):
    """Give it sections and a document with `show`, or a `problem`."""

    DEFAULT_CSS = "InspectPanel { height: 1fr; }"
    scopes_here = ("inspect", "document")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.raw = False
        self._sections: Sequence[Section] = ()
        self._document = ""
        self._problem = ""

    def compose(self) -> ComposeResult:
        """Page, status, search field."""
        yield Document()
        yield Static("", classes="bar", markup=False)
        yield Prompt()

    @property
    def page(self) -> Document:
        """The lines."""
        return self.query_one(Document)

    def show(self, sections: Sequence[Section], document: str) -> None:
        """Show this."""
        if (sections, document) != (self._sections, self._document) or self._problem:
            self._sections, self._document, self._problem = sections, document, ""
            self._draw()

    def problem(self, text: str) -> None:
        """Why there is nothing to show."""
        self._problem = text
        self._draw()

    def repaint(self) -> None:
        """Another theme."""
        self._draw()

    def _draw(self) -> None:
        if self._problem:
            lines = [Text.assemble((f"✕ {self._problem}", palette.tone(self, "bad")))]
        elif self.raw:
            lines = [self._json_line(line) for line in json_lines(self._document)]
        else:
            lines = self._grouped()
        self.page.set_lines(lines)
        self._say()

    def _grouped(self) -> list[Text]:
        keys = [len(key) for section in self._sections for key, _ in section.rows]
        width = min(26, max(keys, default=0))
        lines: list[Text] = []
        for section in self._sections:
            lines += [Text("")] if lines else []
            lines.append(Text.assemble((section.title, palette.tone(self, "title", bold=True))))
            for key, cell in section.rows:
                name = (f"  {key:<{width}}  ", palette.tone(self, "dim"))
                lines.append(Text.assemble(name, (cell.text, palette.tone(self, cell.style))))
        return lines

    def _json_line(self, line: str) -> Text:
        text = Text.assemble((line, palette.tone(self, "dim")))
        for found in _JSON.finditer(line):
            text.stylize(palette.tone(self, _JSON_TONES[found.lastgroup or ""]), *found.span())
        return text

    def act(self, action: str) -> bool:
        """Do one of the actions of a document; False when it is none."""
        page = self.page
        simple: dict[str, Callable[[], None]] = {
            "text.next": page.action_next_match,
            "text.previous": page.action_previous_match,
            "text.wrap": page.action_toggle_wrap,
        }
        if action in ("text.next", "text.previous") and not page.searched:
            self.notify("Nothing is searched for yet: / asks.", severity="warning", timeout=4)
        elif action == "text.search":
            self.query_one(Prompt).ask("inspect search", "search", page.searched)
        elif action == "text.copy":
            copy(self, page.plain, "the whole page")
        elif action == "inspect.raw":
            self.raw = not self.raw
            self._draw()
            page.action_to_start()
        elif action in simple:
            simple[action]()
        else:
            return False
        self._say()
        return True

    @on(Prompt.Changed)
    def _typed(self, message: Prompt.Changed) -> None:
        message.stop()
        self.page.search("" if isinstance(message, Prompt.Left) else message.text)
        if isinstance(message, Prompt.Left | Prompt.Answered):
            self.query_one(Prompt).close()
            self.screen.set_focus(self.page)

    @on(Document.Searched)
    def _searched(self, message: Document.Searched) -> None:
        message.stop()
        self._say()

    def _say(self) -> None:
        parts = ["the engine's own JSON" if self.raw else "grouped; y shows the engine's own JSON"]
        parts += [self.page.found] if self.page.found else []
        parts += ["wrap"] if self.page.wrap else []
        self.query_one(".bar", Static).update("  ·  ".join(parts))
