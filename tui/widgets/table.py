"""A table for thousands of live rows.

Its cursor, marks and scroll belong to row keys, so a row that comes, goes or moves never makes
the selection jump. Only lines on the screen whose cells changed are drawn again; column widths
come from `tui.widgets.columns`: names may widen their column, figures move nothing.
"""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.widgets.columns import Column, Slot, fit
from tui.widgets.table_paint import GUTTER, Painter, Row

HEADER = 1


class ResourceTable(ScrollView, can_focus=True):
    """Give it `Row`s with `set_rows`; it says `Highlighted`, `Opened`, `Marked` and `SortAsked`."""

    DEFAULT_CSS = """
    ResourceTable {
        height: 1fr; overflow-x: hidden; overflow-y: auto;
        scrollbar-size-vertical: 1;
    }
    """
    cursor: reactive[int] = reactive(0, repaint=False, init=False)

    class Highlighted(Message):
        """The cursor stands on another key; ``key`` is None in an empty table."""

        def __init__(self, table: "ResourceTable", key: str | None) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> "ResourceTable":
            """The table it came from."""
            return self.table

    class Opened(Message):
        """A row was double-clicked."""

        def __init__(self, table: "ResourceTable", key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> "ResourceTable":
            """The table it came from."""
            return self.table

    class Marked(Message):
        """The set of marked keys changed."""

        def __init__(self, table: "ResourceTable", keys: frozenset[str]) -> None:
            super().__init__()
            self.table = table
            self.keys = keys

        @property
        def control(self) -> "ResourceTable":
            """The table it came from."""
            return self.table

    class SortAsked(Message):
        """A column title was clicked."""

        def __init__(self, table: "ResourceTable", column: str) -> None:
            super().__init__()
            self.table = table
            self.column = column

        @property
        def control(self) -> "ResourceTable":
            """The table it came from."""
            return self.table

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        show_cursor: bool = True,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.show_cursor = show_cursor
        self.moved = False
        self.columns = tuple(columns)
        self.rows: tuple[Row, ...] = ()
        self.marks: frozenset[str] = frozenset()
        self._places: dict[str, int] = {}
        self._key: str | None = None
        self._sort: tuple[str, bool] = ("", False)
        self._slots: tuple[Slot, ...] = ()
        self._slots_width = -1
        self._wants: dict[str, int] = {}

    # -- what it holds ------------------------------------------------------------------------

    @property
    def cursor_key(self) -> str | None:
        """Key of the row under the cursor."""
        return self.rows[self.cursor].key if self.rows else None

    def set_rows(self, rows: Iterable[Row]) -> None:
        """Show these rows; cursor and scroll stay with their keys."""
        before, top_key = self.rows, self._key_at(self.scroll_offset.y)
        self.rows = tuple(rows)
        same_shape = len(before) == len(self.rows) and all(
            old.key == new.key for old, new in zip(before, self.rows, strict=True)
        )
        if same_shape:
            changed = [new for old, new in zip(before, self.rows, strict=True) if old != new]
            if not self._widened(changed):
                self._repaint_changed(before)
            return
        self._widened(self.rows)
        self._places = {row.key: place for place, row in enumerate(self.rows)}
        self._resize_virtual()
        self._restore(before, top_key)
        self._drop_lost_marks()
        self.refresh()

    def set_sort(self, column: str, descending: bool) -> None:
        """Show an arrow in this column's title; the rows come sorted already."""
        if self._sort != (column, descending):
            self._sort = (column, descending)
            self._refresh_screen_line(0)

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Other columns, for rows that will be given next."""
        self.columns = tuple(columns)
        self._slots_width = -1
        self._wants.clear()
        self.rows = ()
        self.refresh()

    def move_to(self, key: str) -> bool:
        """Put the cursor on a key; False when it is not here."""
        place = self._places.get(key)
        if place is None:
            return False
        self.cursor = place
        return True

    def _widened(self, rows: Iterable[Row]) -> bool:
        """Whether a name is longer than all before it: then the columns are laid out anew.

        What has grown stays so, or a filter would move the columns at every letter.
        """
        before = dict(self._wants)
        flexible = [(at, column.key) for at, column in enumerate(self.columns) if column.flex]
        for row in rows:
            for at, key in flexible if not row.heading else ():
                if at < len(row.cells):
                    self._wants[key] = max(self._wants.get(key, 0), cell_len(row.cells[at].text))
        if self._wants == before:
            return False
        self._slots_width = -1
        self.refresh()
        return True

    @property
    def sort_is_seen(self) -> bool:
        """Whether the title that carries the order's arrow fits on the screen."""
        shown = {slot.column.key for slot in self._fitted()}
        return not self._sort[0] or self._sort[0] in shown

    def _repaint_changed(self, before: Sequence[Row]) -> None:
        top = self.scroll_offset.y
        for place in range(top, min(len(self.rows), top + self.size.height)):
            if before[place] != self.rows[place]:
                self._refresh_screen_line(place - top + HEADER)

    def _restore(self, before: Sequence[Row], top_key: str | None) -> None:
        top = self._places.get(top_key or "")
        if top is not None and top != self.scroll_offset.y and self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, immediate=True, force=True)
        place = self._survivor(before) if self.moved else 0
        self.set_reactive(ResourceTable.cursor, place)
        self._announce()

    def _survivor(self, before: Sequence[Row]) -> int:
        """Where the cursor's row is now, else the next of its old neighbours that is left."""
        for row in [*before[self.cursor :], *reversed(before[: self.cursor])]:
            if row.key in self._places:
                return self._places[row.key]
        return 0

    def _drop_lost_marks(self) -> None:
        kept = frozenset(key for key in self.marks if key in self._places)
        if kept != self.marks:
            self._set_marks(kept)

    def _key_at(self, place: int) -> str | None:
        return self.rows[place].key if 0 <= place < len(self.rows) else None

    # -- cursor, scroll, marks ----------------------------------------------------------------

    def validate_cursor(self, place: int) -> int:
        """Keep it inside the table."""
        return max(0, min(place, len(self.rows) - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        """Draw the two lines that changed, and follow; until then it stays on the first row."""
        self.moved = True
        top = self.scroll_offset.y
        for place in (old, new):
            self._refresh_screen_line(place - top + HEADER)
        self._follow_cursor()
        self._announce()

    def _announce(self) -> None:
        if self.cursor_key != self._key:
            self._key = self.cursor_key
            self.post_message(self.Highlighted(self, self._key))

    def _follow_cursor(self) -> None:
        top, room = self.scroll_offset.y, self._page
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True, force=True)
        elif self.cursor >= top + room:
            self.scroll_to(y=self.cursor - room + 1, animate=False, immediate=True, force=True)

    @property
    def _page(self) -> int:
        return max(1, self.size.height - HEADER)

    def action_move(self, step: int) -> None:
        """Cursor down, or up when negative."""
        self.cursor += step

    def action_page(self, pages: float) -> None:
        """Cursor by pages."""
        self.cursor += int(self._page * pages)

    def action_first(self) -> None:
        """Cursor to the first row."""
        self.cursor = 0

    def action_last(self) -> None:
        """Cursor to the last row."""
        self.cursor = len(self.rows) - 1

    def action_mark(self) -> None:
        """Mark or unmark the row, and go on to the next."""
        if self.rows and not self.rows[self.cursor].heading:
            self._set_marks(self.marks ^ {self.rows[self.cursor].key})
        self.cursor += 1

    def action_mark_range(self) -> None:
        """Mark from the nearest mark above to the cursor."""
        above = [self._places[key] for key in self.marks if self._places[key] <= self.cursor]
        if self.rows:
            span = self.rows[max(above, default=self.cursor) : self.cursor + 1]
            self._set_marks(self.marks | {row.key for row in span if not row.heading})

    def clear_marks(self) -> None:
        """Unmark everything."""
        self._set_marks(frozenset())

    def _set_marks(self, marks: frozenset[str]) -> None:
        if marks != self.marks:
            self.marks = marks
            self.refresh()
            self.post_message(self.Marked(self, marks))

    def on_click(self, event: events.Click) -> None:
        """Title: sort. Row: select, twice: open."""
        if event.y < HEADER:
            self._click_title(event.x - GUTTER)
            return
        place = event.y - HEADER + self.scroll_offset.y
        if place < len(self.rows):
            self.cursor = place
            if event.chain > 1:
                self.post_message(self.Opened(self, self.rows[place].key))

    def _click_title(self, x: int) -> None:
        for slot in self._fitted():
            if slot.x <= x < slot.x + slot.width + slot.column.gap and slot.column.sort:
                self.post_message(self.SortAsked(self, slot.column.key))

    def on_focus(self) -> None:
        """The cursor line looks stronger."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor line looks calmer."""
        self.refresh()

    # -- drawing ------------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self._resize_virtual()
        self._follow_cursor()

    def notify_style_update(self) -> None:
        """Another theme: draw all lines."""
        super().notify_style_update()
        self.refresh()

    def _resize_virtual(self) -> None:
        self.virtual_size = Size(self.size.width, len(self.rows) + HEADER)

    def _refresh_screen_line(self, y: int) -> None:
        if 0 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def _fitted(self) -> tuple[Slot, ...]:
        width = self.size.width - GUTTER - 1
        if width != self._slots_width:
            self._slots, self._slots_width = fit(self.columns, width, self._wants), width
        return self._slots

    def render_line(self, y: int) -> Strip:
        """One line of the screen: titles, a row, or nothing."""
        paint = Painter(self, self._fitted())
        if y < HEADER:
            return paint.titles(*self._sort)
        place = y - HEADER + self.scroll_offset.y
        if place >= len(self.rows):
            return Strip.blank(self.size.width, self.rich_style)
        row, selected = self.rows[place], place == self.cursor and self.show_cursor
        return paint.row(row, selected=selected, marked=row.key in self.marks)


__all__ = ["ResourceTable", "Row"]
