"""The process table of a container, asked for every two seconds while it can be seen.

The Docker Engine API tells of no process events, so this one view has to ask.
"""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.timer import Timer

from tui.clients import ClientError
from tui.informers import Hub
from tui.models import Container, Processes
from tui.render.cells import Cell
from tui.render.text import safe
from tui.widgets.columns import Column
from tui.widgets.notice import Notice, NoticeState
from tui.widgets.table import ResourceTable, Row

SECONDS = 2.0
_WIDTHS = {"CMD": 20, "COMMAND": 20, "STIME": 5, "TTY": 6, "C": 3, "S": 2, "STAT": 4}
# What goes first when the command would be cut short.
_RANKS = {"C": 9, "STIME": 8, "TTY": 7, "PPID": 6, "VSZ": 5, "RSS": 4, "TIME": 3}
_RIGHT = frozenset({"PID", "PPID", "C", "%CPU", "%MEM", "VSZ", "RSS", "TIME"})


class ProcessesPanel(Vertical):
    """``Notice`` when the container does not run."""

    DEFAULT_CSS = """
    ProcessesPanel { height: 1fr; }
    ProcessesPanel Notice { display: none; }
    ProcessesPanel.-blank Notice { display: block; }
    ProcessesPanel.-blank ResourceTable { display: none; }
    """
    scope: ClassVar[str] = "processes"

    class Arrived(Message):
        """A table, or why there is none."""

        def __init__(self, table: Processes | None, problem: str = "") -> None:
            super().__init__()
            self.table = table
            self.problem = problem

    def __init__(self, hub: Hub, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.hub = hub
        self.held: Container | None = None
        self._titles: tuple[str, ...] = ()
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        """The table, and what stands there when there is none."""
        yield ResourceTable(())
        yield Notice(NoticeState("…"))

    def on_mount(self) -> None:
        """Ask again and again, while it can be seen."""
        self._timer = self.set_interval(SECONDS, self._ask)

    def show(self, held: Container | None) -> None:
        """Processes of this container."""
        self.held = held
        self._ask()

    def _ask(self) -> None:
        if not self.display or not self.screen.is_current:
            return
        if self.held is None or not self.held.running:
            state = NoticeState(
                "It does not run", "A stopped container has no processes.", glyph="■"
            )
            self._blank(state)
            return
        self.run_worker(self._fetch(self.held.id), group="top", exclusive=True)

    async def _fetch(self, key: str) -> None:
        try:
            self.post_message(self.Arrived(await self.hub.client.containers.top(key)))
        except ClientError as error:
            self.post_message(self.Arrived(None, str(error)))

    @on(Arrived)
    def _arrived(self, message: Arrived) -> None:
        message.stop()
        if message.table is None:
            self._blank(NoticeState("No process table", message.problem, "bad", "✕"))
            return
        self.remove_class("-blank")
        table = self.query_one(ResourceTable)
        if message.table.titles != self._titles:
            self._titles = message.table.titles
            table.set_columns([_column(title) for title in self._titles])
        table.set_rows(self._rows(message.table))

    def _rows(self, found: Processes) -> list[Row]:
        place = found.titles.index("PID") if "PID" in found.titles else 0
        last = len(found.titles) - 1
        return [
            Row(row[place], tuple(Cell(safe(text)) for text in row), strong=last)
            for row in found.rows
        ]

    def _blank(self, state: NoticeState) -> None:
        self.add_class("-blank")
        self.query_one(Notice).show(state)


def _column(title: str) -> Column:
    width = _WIDTHS.get(title, 8)
    if title in ("CMD", "COMMAND"):
        return Column(title, title, width, flex=1, fair=32)
    rank = _RANKS.get(title, 1)
    return Column(title, title, width, "right" if title in _RIGHT else "left", rank=rank)
