"""Every figure of the cgroups of all running containers, and large graphs of the selected one."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.widgets import Static

from tui.models import Container
from tui.render import metrics as render
from tui.screens.board import CONTAINER_PLOTS, Board
from tui.screens.containers_pane import ContainersPane
from tui.screens.pane import Order, picked
from tui.widgets.columns import Column
from tui.widgets.notice import NoticeState
from tui.widgets.table import Row

COLUMNS: tuple[Column, ...] = (
    Column("state", " ", 1, gap=1),
    Column("name", "NAME", 12, flex=2, most=40, sort="N"),
    Column("cpu", "CPU", 10, "right", sort="C"),
    Column("cpu_percent", "CPU%", 5, "right"),
    Column("throttled", "THROTTLED", 9, "right", rank=3, sort="T"),
    Column("memory", "MEMORY", 17, "right", sort="M"),
    Column("memory_percent", "MEM%", 5, "right"),
    Column("pids", "PIDS", 8, "right", rank=2, sort="D"),
    Column("block_read", "BLK READ", 12, "right", rank=5, sort="B"),
    Column("block_write", "BLK WRITE", 12, "right", rank=4, sort="W"),
    Column("net_rx", "NET RX", 12, "right", rank=6, sort="X"),
    Column("net_tx", "NET TX", 12, "right", rank=7),
    Column("ooms", "OOM", 4, "right", rank=1),
)


class MetricsPane(ContainersPane):
    """Only what runs has figures."""

    scope = "metrics"
    columns = COLUMNS
    first_order = Order("cpu", True)
    FIGURES = frozenset(column.key for column in COLUMNS[2:])
    show_all = False

    def side(self) -> ComposeResult:
        """Graphs below the list."""
        yield Static("", classes="bar facts", markup=False)
        yield Board(CONTAINER_PLOTS, classes="graphs")

    def known(self) -> list[Container]:
        """What runs and passes the filter, sorted."""
        kept = [item for item in self.hub.containers.items.values() if self._wanted(item)]
        latest, column = self.hub.metrics.latest, self.order.column
        kept.sort(key=lambda item: item.name)
        kept.sort(
            key=lambda item: render.sort_key(item, latest(item.id), column),
            reverse=self.order.descending,
        )
        return kept

    def _row(self, item: Container, now: float) -> Row:
        cells = render.row(item, self.hub.metrics.latest(item.id))
        return Row(item.id, picked(render.COLUMNS, cells, self.columns), strong=1)

    def show_side(self) -> None:
        """Graphs of the one under the cursor."""
        item = self.selected
        metrics = self.hub.metrics
        key = item.id if item else ""
        self.query_one(".facts", Static).update(self._facts(item))
        self.query_one(Board).show(metrics.series(key))

    def blank(self) -> NoticeState | None:
        """As in the list of containers; what is stopped has no figures."""
        state = self.unconnected()
        if state is not None:
            return state
        if any(item.running for item in self.hub.containers.items.values()):
            return super().blank()
        body = "Figures come from running containers."
        return NoticeState("Nothing runs", body, keys=(("1", "go to the containers"),))

    def rows(self) -> Sequence[Row]:
        """One row a running container."""
        return super().rows()
