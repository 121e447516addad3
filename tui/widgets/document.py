"""A scrolling page of styled lines with search: inspect, raw JSON, history, help."""

import re
from collections.abc import Sequence

from rich.segment import Segment
from rich.text import Text
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.widgets import palette
from tui.widgets.log_buffer import pattern


class Document(ScrollView, can_focus=True):
    """Show `Text` lines; long ones scroll sideways, or wrap when ``wrap`` is on."""

    DEFAULT_CSS = """
    Document { height: 1fr; overflow-y: auto; overflow-x: hidden; scrollbar-size: 1 1; }
    """

    class Searched(Message):
        """Another search, or another match."""

    def __init__(self, *, id: str | None = None, wrap: bool = False) -> None:
        super().__init__(id=id)
        self.wrap = wrap
        self.searched = ""
        self._source: list[Text] = []
        self._lines: list[Text] = []
        self._matches: list[int] = []
        self._match = -1
        self._expression: re.Pattern[str] | None = None

    # -- contents -----------------------------------------------------------------------------

    def set_lines(self, lines: Sequence[Text]) -> None:
        """Show these; the scroll stays where it is."""
        if list(lines) == self._source:
            return
        self._source = list(lines)
        self._lay_out()

    @property
    def plain(self) -> str:
        """All of it, to copy."""
        return "\n".join(line.plain for line in self._source)

    def action_toggle_wrap(self) -> None:
        """Long lines on several rows, or cut."""
        self.wrap = not self.wrap
        self._lay_out()

    def on_resize(self) -> None:
        """Another width wraps otherwise."""
        self._lay_out()

    def _lay_out(self) -> None:
        width = max(1, self.size.width - 1)
        if self.wrap:
            console = self.app.console
            wrapped = [line.wrap(console, width, overflow="fold") for line in self._source]
            self._lines = [part for parts in wrapped for part in parts]
        else:
            self._lines = self._source
        self._find()
        self.virtual_size = Size(self.size.width, len(self._lines))
        self.refresh()

    # -- search -------------------------------------------------------------------------------

    def search(self, text: str) -> None:
        """Mark matches and go to the first at or below the top."""
        self.searched = text
        self._expression = pattern(text)
        self._find()
        top = self.scroll_offset.y
        self._match = next((n for n, y in enumerate(self._matches) if y >= top), 0)
        self._show_match()

    def _find(self) -> None:
        expression = self._expression
        found = enumerate(self._lines) if expression else ()
        self._matches = [y for y, line in found if expression and expression.search(line.plain)]

    def action_next_match(self) -> None:
        """To the next match, from the last to the first."""
        self._match += 1
        self._show_match()

    def action_previous_match(self) -> None:
        """To the match before."""
        self._match -= 1
        self._show_match()

    def _show_match(self) -> None:
        if self._matches:
            self._match %= len(self._matches)
            y = self._matches[self._match]
            if not self.scroll_offset.y <= y < self.scroll_offset.y + self.size.height:
                self.scroll_to(y=max(0, y - self.size.height // 3), animate=False)
        self.refresh()
        self.post_message(self.Searched())

    @property
    def found(self) -> str:
        """``3 of 12``, for a status line."""
        if not self.searched:
            return ""
        if not self._matches:
            return f"no match for {self.searched}"
        return f"{self._match + 1} of {len(self._matches)} for {self.searched}"

    # -- moving and drawing -------------------------------------------------------------------

    def action_scroll_rows(self, rows: int) -> None:
        """Down, or up when negative."""
        self.scroll_to(y=self.scroll_offset.y + rows, animate=False)

    def action_scroll_pages(self, pages: float) -> None:
        """By screens."""
        self.action_scroll_rows(int(self.size.height * pages))

    def action_to_start(self) -> None:
        """To the first line."""
        self.scroll_to(y=0, animate=False)

    def action_to_end(self) -> None:
        """To the last line."""
        self.scroll_to(y=len(self._lines), animate=False)

    def _cut(self, line: Text) -> Text:
        """A line that goes on beyond the edge says so."""
        width = max(1, self.size.width - 1)
        if line.cell_len <= width:
            return line
        short = line.copy()
        short.truncate(width, overflow="ellipsis")
        return short

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        base = self.rich_style
        at = y + self.scroll_offset.y
        if at >= len(self._lines):
            return Strip.blank(self.size.width, base)
        line = self._cut(self._lines[at])
        if self._expression is not None:
            line = line.copy()
            current = bool(self._matches) and self._matches[self._match] == at
            name, tone = ("match-current", "background") if current else ("match", "title")
            for found in self._expression.finditer(line.plain):
                line.stylize(palette.tone(self, tone, on=name), *found.span())
        segments = Segment.apply_style(line.render(self.app.console, end=""), base)
        return Strip(list(segments)).adjust_cell_length(self.size.width, base)
