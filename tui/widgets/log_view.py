"""A log of any length: only the lines in sight are measured and drawn.

The view is anchored to a line, not to a pixel offset, so wrapping a million lines costs nothing.
Following stops when a person scrolls up and goes on when the end is reached again.
"""

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.models import LogLine
from tui.widgets import palette
from tui.widgets.log_buffer import LogBuffer
from tui.widgets.log_paint import DRAWN, TIME_WIDTH, painted

_WRAPPED_ROWS = 24


class LogView(Widget, can_focus=True):
    """Feed it with `extend`; it says `Moved` when position, follow or search changed."""

    DEFAULT_CSS = "LogView { height: 1fr; }"
    EMPTY: ClassVar[str] = "No output yet."

    class Moved(Message):
        """Position, follow, search or options changed: the status line wants drawing."""

    class ReachedTop(Message):
        """The oldest line held is in sight: older ones are wanted."""

    def __init__(self, *, id: str | None = None, capacity: int | None = None) -> None:
        super().__init__(id=id)
        self.buffer = LogBuffer(capacity) if capacity else LogBuffer()
        self.follow = True
        self.wrap = False
        self.times = False
        self.searched = ""
        self.empty = self.EMPTY
        self._top = 0
        self._skip = 0
        self._left = 0
        self._current: int | None = None
        self._drawn: list[tuple[int, Text]] = []
        self._dirty = True

    # -- contents -----------------------------------------------------------------------------

    def extend(self, lines: Sequence[LogLine]) -> None:
        """Add newer lines."""
        if not lines:
            return
        gone = self.buffer.extend(lines)
        self._top = max(0, self._top - gone)
        if self._current is not None:
            self._current = self._current - gone if self._current >= gone else None
        self._changed()

    def prepend(self, lines: Sequence[LogLine]) -> None:
        """Put older lines in front without moving what is in sight."""
        self._top += self.buffer.prepend(lines)
        self._changed()

    def clear(self) -> None:
        """Forget all lines."""
        self.buffer.clear()
        self._top = self._skip = 0
        self._current = None
        self._changed()

    def say_when_empty(self, text: str) -> None:
        """What stands in an empty view."""
        self.empty = text
        if not len(self.buffer):
            self._changed()

    # -- options ------------------------------------------------------------------------------

    def action_toggle_wrap(self) -> None:
        """Long lines on several rows, or cut."""
        self.wrap = not self.wrap
        self._left = self._skip = 0
        self._changed()

    def action_toggle_times(self) -> None:
        """Show when each line was written."""
        self.times = not self.times
        self._changed()

    def action_toggle_follow(self) -> None:
        """Stay at the end, or stay here."""
        self.follow = not self.follow
        self._changed()

    def action_toggle_matches(self) -> None:
        """Hide lines that do not match the search."""
        index = self.buffer.index_of(self._top)
        self.buffer.show_only_matches(not self.buffer.only_matches)
        self._top = self.buffer.place_of(index)
        self._current = None
        self._changed()

    def search(self, text: str) -> None:
        """Mark matches and go to the last one above the end of the screen."""
        self.searched = text
        index = self.buffer.index_of(self._top)
        self.buffer.search(text)
        self._top = self.buffer.place_of(index)
        self._current = None
        if text and not self.buffer.only_matches:
            bottom = min(len(self.buffer), self._top + max(1, self.size.height))
            self._go_to_match(bottom, -1)
        self._changed()

    def action_next_match(self) -> None:
        """To the next match below."""
        self._go_to_match(self._start(), 1)

    def action_previous_match(self) -> None:
        """To the next match above."""
        self._go_to_match(self._start(), -1)

    def _start(self) -> int:
        return self._top if self._current is None else self._current

    def _go_to_match(self, start: int, step: int) -> None:
        place = self.buffer.next_match(start, step)
        if place is None:
            return
        self._current = place
        self._settle_follow()
        if not self._top <= place < self._top + max(1, self.size.height - 2):
            self._top = max(0, place - self.size.height // 3)
            self._skip = 0
        self.follow = False
        self._changed()

    # -- moving -------------------------------------------------------------------------------

    def action_scroll_rows(self, rows: int) -> None:
        """Down, or up when negative; up stops following."""
        self._settle_follow()
        if rows < 0:
            self.follow = False
        for _ in range(abs(rows)):
            self._step(1 if rows > 0 else -1)
        self._after_move()

    def action_scroll_pages(self, pages: float) -> None:
        """By screens."""
        self.action_scroll_rows(int(self.size.height * pages))

    def action_scroll_columns(self, columns: int) -> None:
        """Sideways, when lines are not wrapped."""
        if not self.wrap:
            self._left = max(0, min(self._left + columns, self._overhang()))
            self._changed()

    def _overhang(self) -> int:
        """By how many cells the longest line in sight goes beyond the edge."""
        stamp = TIME_WIDTH if self.times else 0
        places = {place for place, _ in self._drawn if place < len(self.buffer)}
        longest = max((cell_len(self.buffer.line(place).text) for place in places), default=0)
        return max(0, longest + stamp - self._width)

    def action_to_start(self) -> None:
        """To the oldest line."""
        self.follow = False
        self._top = self._skip = 0
        self._after_move()

    def action_to_end(self) -> None:
        """To the newest line, and follow."""
        self.follow = True
        self._changed()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three rows down."""
        event.stop()
        self.action_scroll_rows(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three rows up."""
        event.stop()
        self.action_scroll_rows(-3)

    def _settle_follow(self) -> None:
        if self.follow:
            self._anchor_to_end()

    def _step(self, direction: int) -> None:
        if direction > 0:
            self._skip += 1
            if self._skip >= self._rows_of(self._top):
                self._skip, self._top = 0, self._top + 1
        elif self._skip:
            self._skip -= 1
        elif self._top > 0:
            self._top -= 1
            self._skip = self._rows_of(self._top) - 1

    def _after_move(self) -> None:
        end_top, end_skip = self._end_anchor()
        if (self._top, self._skip) >= (end_top, end_skip):
            self._top, self._skip = end_top, end_skip
            self.follow = True
        if self._top == 0 and self._skip == 0 and len(self.buffer):
            self.post_message(self.ReachedTop())
        self._changed()

    def _anchor_to_end(self) -> None:
        self._top, self._skip = self._end_anchor()

    def _anchor(self) -> tuple[int, int]:
        """Where to begin: at the end when following, and never with an empty rest below it."""
        end = self._end_anchor()
        return end if self.follow else min((self._top, self._skip), end)

    def _end_anchor(self) -> tuple[int, int]:
        room = max(1, self.size.height)
        place = len(self.buffer)
        while place > 0 and room > 0:
            place -= 1
            room -= self._rows_of(place)
        return place, max(0, -room)

    # -- measuring and drawing ----------------------------------------------------------------

    @property
    def _width(self) -> int:
        return max(1, self.size.width - 1)

    def _rows_of(self, place: int) -> int:
        if not self.wrap or not 0 <= place < len(self.buffer):
            return 1
        return len(self._wrapped(place))

    def _wrapped(self, place: int) -> list[Text]:
        text = self._text(place)
        if text.cell_len <= self._width:
            return [text]
        lines = text.wrap(self.app.console, self._width, overflow="fold", tab_size=8)
        return list(lines)[:_WRAPPED_ROWS]

    def _text(self, place: int) -> Text:
        most = DRAWN if self.wrap else self._width + 1
        style = "match-current" if place == self._current else "match"
        match = None
        if self.buffer.query is not None:
            match = (self.buffer.query, self._match_style(style))
        return painted(
            self.buffer.line(place),
            first=self._left,
            most=most,
            times=self.times,
            time_style=palette.tone(self, "faint"),
            error_style=palette.tone(self, "warn"),
            match=match,
        )

    def _match_style(self, name: str) -> Style:
        tone = "background" if name == "match-current" else "title"
        return palette.tone(self, tone, on=name)

    def _changed(self) -> None:
        self._dirty = True
        self.refresh()
        self.post_message(self.Moved())

    def notify_style_update(self) -> None:
        """Another theme: the lines laid out have the old colours."""
        super().notify_style_update()
        self._dirty = True

    def on_resize(self) -> None:
        """Another width wraps otherwise."""
        self._changed()

    def _layout_rows(self) -> None:
        """Lay out the rows in sight, once for all the lines of one drawing."""
        self._dirty = False
        self._top, self._skip = self._anchor()
        rows: list[tuple[int, Text]] = []
        place, skip = self._top, self._skip
        while len(rows) < self.size.height and place < len(self.buffer):
            parts = self._wrapped(place) if self.wrap else [self._text(place)]
            rows += [(place, part) for part in parts[skip:]]
            place, skip = place + 1, 0
        self._drawn = rows

    def render_line(self, y: int) -> Strip:
        """One row of the screen."""
        if self._dirty:
            self._layout_rows()
        base = self.rich_style
        if not len(self.buffer):
            text = Text.assemble((self._absence() if y == 0 else "", palette.tone(self, "dim")))
        else:
            text = self._drawn[y][1] if y < len(self._drawn) else Text("")
        segments = list(text.render(self.app.console, end=""))
        strip = Strip(Segment.apply_style(segments, base)).adjust_cell_length(self._width, base)
        return Strip.join([strip, Strip([self._rail(y)])])

    def _absence(self) -> str:
        """Why no line stands there."""
        if self.buffer.lines:
            return f"None of {len(self.buffer.lines):,} lines matches {self.searched}."
        return self.empty

    def _rail(self, y: int) -> Segment:
        """A thin scroll mark at the right edge."""
        total, height = len(self.buffer), self.size.height
        if total <= height:
            return Segment(" ", self.rich_style)
        length = max(1, height * height // total)
        top = round((height - length) * min(1.0, self._top / max(1, total - height)))
        inside = top <= y < top + length
        return Segment("▐" if inside else " ", self.rich_style + palette.tone(self, "faint"))

    @property
    def position(self) -> str:
        """Where we are, for a status line."""
        total = len(self.buffer)
        if not total:
            return "no lines"
        if self.follow:
            aside = f", from column {self._left + 1}" if self._left else ""
            return f"{total:,} lines, following{aside}"
        if self._dirty:
            self._layout_rows()
        shown = {place for place, _ in self._drawn} or {self._top}
        aside = f", from column {self._left + 1}" if self._left else ""
        return f"lines {min(shown) + 1:,}-{max(shown) + 1:,} of {total:,}, paused{aside}"

    def current_line(self) -> LogLine | None:
        """The match we stand on, else the first line in sight."""
        place = self._start()
        return self.buffer.line(place) if place < len(self.buffer) else None

    def visible_text(self) -> str:
        """What the screen shows, to copy."""
        if self._dirty:
            self._layout_rows()
        places = sorted({place for place, _ in self._drawn})
        return "\n".join(self.buffer.line(place).text for place in places)

    @property
    def region_of_lines(self) -> Region:
        """Where the lines are drawn."""
        return Region(0, 0, self._width, self.size.height)


__all__ = ["TIME_WIDTH", "LogView"]
