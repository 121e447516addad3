"""The list of images, with the selected one's names and history at its side."""

from collections.abc import Callable, Iterable, Sequence

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from tui.actions import Subject
from tui.clients import ClientError
from tui.models import HistoryEntry, Image
from tui.render import images as render
from tui.render import units
from tui.render.cells import Cell
from tui.render.text import safe
from tui.screens.containers_pane import first_run
from tui.screens.pane import Pane, picked
from tui.widgets import palette
from tui.widgets.columns import Column
from tui.widgets.notice import NoticeState
from tui.widgets.table import ResourceTable, Row

COLUMNS: tuple[Column, ...] = (
    Column("name", "REFERENCE", 24, flex=1, most=64, sort="R"),
    Column("id", "ID", 12, rank=2),
    Column("age", "AGE", 5, "right", sort="A"),
    Column("size", "SIZE", 9, "right", sort="S"),
    Column("names", "NAMES", 5, "right", rank=3),
    Column("used", "USED BY", 7, "right", rank=1, sort="U"),
)
HISTORY: tuple[Column, ...] = (
    Column("age", "AGE", 5, "right"),
    Column("size", "SIZE", 9, "right"),
    Column("created_by", "CREATED BY", 20, flex=1),
)


class ImagesPane(Pane):
    """Kept by events; the history is asked for when the cursor rests on an image."""

    scope = "images"
    columns = COLUMNS
    FIGURES = frozenset({"size", "used"})

    class HistoryArrived(Message):
        """The steps of an image, or why they are not known."""

        def __init__(self, key: str, entries: Sequence[HistoryEntry], error: str = "") -> None:
            super().__init__()
            self.key = key
            self.entries = entries
            self.error = error

    _history_of = ""

    def side(self) -> ComposeResult:
        """Names and history."""
        with Vertical(classes="side"):
            yield Static("", classes="facts", markup=False)
            yield Static("History", classes="heading", markup=False)
            table = ResourceTable(HISTORY, id="history", show_cursor=False)
            table.can_focus = False
            yield table

    def watch_hub(self, mark: Callable[..., None]) -> Iterable[Callable[[], None]]:
        """Images, and containers for how often each is used."""
        return [
            self.hub.images.watch(changed=mark),
            self.hub.containers.watch(changed=mark),
        ]

    @property
    def table(self) -> ResourceTable:
        """The list."""
        return self.query_one(".list", ResourceTable)

    def rows(self) -> Sequence[Row]:
        """One row an image."""
        column, now = self.order.column, self.clock()
        users = [item.image_id for item in self.hub.containers.items.values()]
        kept = [item for item in self.hub.images.items.values() if self._wanted(item)]
        kept.sort(key=lambda item: item.name)
        if column == "used":
            kept.sort(key=lambda item: render.users(item, users), reverse=self.order.descending)
        else:
            kept.sort(key=lambda item: render.sort_key(item, column), reverse=self.order.descending)
        return [self._row(item, users, now) for item in kept]

    def _wanted(self, item: Image) -> bool:
        return self.filter.matches(" ".join([*item.references, item.short_id]), item.labels)

    def _row(self, item: Image, users: Sequence[str], now: float) -> Row:
        cells = render.row(item, now, render.users(item, users))
        return Row(item.id, picked(render.COLUMNS, cells, self.columns), strong=0)

    @property
    def selected(self) -> Image | None:
        """The image under the cursor."""
        return self.hub.images.items.get(self.table.cursor_key or "")

    def targets(self) -> list[Image]:
        """The marked ones, else the one under the cursor."""
        items = self.hub.images.items
        marked = [items[row.key] for row in self.table.rows if row.key in self.table.marks]
        return marked or ([self.selected] if self.selected else [])

    def subject(self) -> Subject:
        """For guards."""
        link = self.hub.link
        return Subject(
            image=self.selected,
            marked=len(self.table.marks),
            engine=link.info,
            linked=link.alive,
            listed=bool(self.hub.images.items),
        )

    # -- side ---------------------------------------------------------------------------------

    def show_side(self) -> None:
        """Names of the one under the cursor, and its history once."""
        side = self.query_one(".side")
        if not side.display:
            return
        item = self.selected
        self.query_one(".facts", Static).update(self._facts(item))
        if item is not None and item.id != self._history_of:
            self._history_of = item.id
            self.query_one("#history", ResourceTable).set_rows(())
            self.run_worker(self._fetch_history(item.id), group="history", exclusive=True)

    async def _fetch_history(self, key: str) -> None:
        try:
            entries = await self.hub.client.images.history(key)
        except ClientError as error:
            self.post_message(self.HistoryArrived(key, (), str(error)))
        else:
            self.post_message(self.HistoryArrived(key, entries))

    @on(HistoryArrived)
    def _history(self, message: HistoryArrived) -> None:
        message.stop()
        if message.key != self._history_of:
            return
        now = self.clock()
        rows = [Row(str(place), _step(entry, now)) for place, entry in enumerate(message.entries)]
        self.query_one("#history", ResourceTable).set_rows(rows)

    def _facts(self, item: Image | None) -> Text:
        text = Text(overflow="ellipsis", no_wrap=True)
        if item is None:
            return text
        dim = palette.tone(self, "dim")
        text.append(f"{safe(item.name)}\n", palette.tone(self, "title", bold=True))
        for name in item.references[1:6]:
            text.append("also     ", dim).append(f"{safe(name)}\n")
        text.append("id       ", dim).append(f"{item.short_id}\n")
        text.append("size     ", dim).append(units.size(item.size))
        text.append("   created ", dim).append(units.date(item.created))
        users = [other for other in self.hub.containers.items.values() if other.image_id == item.id]
        names = ", ".join(safe(other.name) for other in users[:6]) or "no container"
        return text.append("\nused by  ", dim).append(names)

    def blank(self) -> NoticeState | None:
        """Nothing known, nothing there, nothing left by the filter."""
        state = self.unconnected()
        if state is not None:
            return state
        if not self.hub.images.items:
            return first_run(self.hub.link.info)
        if any(self._wanted(item) for item in self.hub.images.items.values()):
            return None
        hidden = f"{len(self.hub.images.items)} images do not match {self.filter.text}"
        return NoticeState("Nothing matches", hidden, keys=(("/", "change the filter"),))


def _step(entry: HistoryEntry, now: float) -> tuple[Cell, ...]:
    """Age, size, and how it was made, else the comment."""
    age, size, made, comment = render.history_row(entry, now)
    return age, size, made if made.text else comment
