"""What the four panes of the main screen share: rows, filter, sort, cursor, what is selected."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message

from tui.actions import Subject
from tui.informers import Hub
from tui.render.cells import Cell
from tui.render.cells import Column as Known
from tui.screens import filters
from tui.screens.following import soon
from tui.widgets.columns import Column
from tui.widgets.notice import Notice, NoticeState
from tui.widgets.table import ResourceTable, Row


@dataclass(frozen=True, slots=True)
class Order:
    """How a list is sorted."""

    column: str
    descending: bool = False

    def by(self, column: str, figures: frozenset[str]) -> "Order":
        """Sorted by that column: figures greatest first; once more turns it round."""
        if column == self.column:
            return Order(column, not self.descending)
        return Order(column, column in figures)


class Pane(Horizontal):
    """A list with what belongs to it at its side.

    Informers lead to `refresh_now`, once for any number of their words, and it does nothing while
    the pane is hidden.
    """

    scope: ClassVar[str] = ""
    columns: ClassVar[tuple[Column, ...]] = ()
    FIGURES: ClassVar[frozenset[str]] = frozenset()

    class SubjectChanged(Message):
        """Something else is selected or marked."""

    def __init__(self, hub: Hub, *, clock: Callable[[], float], id: str) -> None:
        super().__init__(id=id)
        self.hub = hub
        self.clock = clock
        self.filter = filters.Filter()
        self.order = self.first_order
        self._undo: list[Callable[[], None]] = []

    first_order: ClassVar[Order] = Order("name")

    def compose(self) -> ComposeResult:
        """The list, and what stands there when there is none."""
        yield ResourceTable(self.columns, classes="list")
        yield Notice(NoticeState("Connecting …", glyph="◌", tone="busy"))
        yield from self.side()

    def side(self) -> ComposeResult:
        """What stands beside the list."""
        yield from ()

    def watch_hub(self, mark: Callable[..., None]) -> Iterable[Callable[[], None]]:
        """Subscribe ``mark`` to what the pane shows."""
        raise NotImplementedError

    def rows(self) -> Sequence[Row]:
        """The rows now, filtered and sorted."""
        raise NotImplementedError

    def show_side(self) -> None:
        """Bring the side up to date."""

    def subject(self) -> Subject:
        """What an action works on."""
        raise NotImplementedError

    def blank(self) -> NoticeState | None:
        """What to say instead of the list; None to show the list."""
        raise NotImplementedError

    # -- drawing ------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Subscribe, and draw what is known."""
        mark = soon(self, self.refresh_now)
        self._undo = [*self.watch_hub(mark), self.hub.link.watch(mark)]
        self._undo.append(self.hub.underway.watch(mark))
        self.refresh_now()

    def on_unmount(self) -> None:
        """No more callbacks."""
        for undo in self._undo:
            undo()

    def on_show(self) -> None:
        """Catch up with what happened while hidden."""
        self.refresh_now()

    def refresh_now(self) -> None:
        """Bring list and side up to date."""
        if not self.is_mounted or not self.display:
            return
        state = self.blank()
        self.set_class(state is not None, "-blank")
        if state is not None:
            self.query_one(Notice).show(state)
        self.table.set_sort(self.order.column, self.order.descending)
        self.table.set_rows(self.rows())
        self.show_side()
        if state is None and self.screen.focused is None:
            self.call_after_refresh(self._take_focus)

    def _take_focus(self) -> None:
        """The list is there again: hidden, it could not keep the focus."""
        if self.screen.focused is None and self.display:
            self.screen.set_focus(self.table)

    def unconnected(self) -> NoticeState | None:
        """What to say while nothing was ever listed; None once something was."""
        link = self.hub.link
        if link.info is not None:
            return None
        if not link.reason:
            return NoticeState("Connecting …", str(self.hub.client.endpoint), "busy", "◌")
        return unreachable(link.reason, str(self.hub.client.endpoint))

    @property
    def table(self) -> ResourceTable:
        """The list."""
        return self.query_one(ResourceTable)

    @property
    def total(self) -> int:
        """How many there are without the filter."""
        return len(self.table.rows)

    # -- filter and sort ----------------------------------------------------------------------

    def set_filter(self, text: str) -> None:
        """Show only what matches."""
        self.filter = filters.parse(text)
        self.refresh_now()

    def reverse(self) -> None:
        """Turn the order round."""
        self.order = Order(self.order.column, not self.order.descending)
        self.refresh_now()
        self.post_message(self.SubjectChanged())

    def sort_by(self, column: str) -> None:
        """Sort by a column, or turn it round."""
        self.order = self.order.by(column, self.FIGURES)
        self.refresh_now()
        self.post_message(self.SubjectChanged())

    @property
    def order_note(self) -> str:
        """``by PIDS↓``: for an order whose column does not fit on the screen."""
        titles = {column.key: column.title for column in self.columns}
        return f"by {titles[self.order.column]}{'↓' if self.order.descending else '↑'}"

    def on_key(self, event: events.Key) -> None:
        """Shift and the underlined letter of a title sorts by it."""
        for column in self.columns:
            if column.sort and event.key == column.sort:
                event.stop()
                event.prevent_default()
                self.sort_by(column.key)

    @on(ResourceTable.SortAsked)
    def _sort_asked(self, message: ResourceTable.SortAsked) -> None:
        message.stop()
        self.sort_by(message.column)

    @on(ResourceTable.Highlighted)
    def _highlighted(self, message: ResourceTable.Highlighted) -> None:
        message.stop()
        self.show_side()
        self.post_message(self.SubjectChanged())

    @on(ResourceTable.Marked)
    def _marks(self, message: ResourceTable.Marked) -> None:
        message.stop()
        self.post_message(self.SubjectChanged())


def picked(
    known: Sequence[Known], cells: Sequence[Cell], columns: Sequence[Column]
) -> tuple[Cell, ...]:
    """A renderer's cells in the order of a pane's columns."""
    by_key = {column.key: cell for column, cell in zip(known, cells, strict=True)}
    return tuple(by_key[column.key] for column in columns)


def unreachable(reason: str, endpoint: str) -> NoticeState:
    """Why there is no engine, and what to do about it."""
    low = reason.lower()
    if "permission denied" in low:
        body = f"{reason}\n\nRun berth as root (sudo berth)"
        if "docker" in endpoint:
            body += ", or join the group that owns the socket:\n"
            body += "sudo usermod -aG docker $USER, then log in again"
        body += "."
        return NoticeState("Not allowed to talk to the engine", body, "bad", "✕")
    if "no such file" in low or "refused" in low:
        body = f"{reason}\n\nStart it with `berth engine start`, or point DOCKER_HOST elsewhere."
        body += "\nThis screen goes on by itself once it answers."
        return NoticeState("The engine is not running", body, "warn", "▲")
    body = f"{reason}\n\nTrying again; this screen goes on by itself once {endpoint} answers."
    return NoticeState("No connection to the engine", body, "bad", "✕")
