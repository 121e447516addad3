"""The host as a node: capacity, load, disk; and its containers grouped by pod or project."""

from collections.abc import Callable, Iterable, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tui.models import Container, PodGroup, group_pods
from tui.render import pods as render
from tui.render import units
from tui.render.cells import Cell
from tui.render.text import safe
from tui.screens.board import HOST_PLOTS, Board, HostGauges
from tui.screens.containers_pane import ContainersPane
from tui.screens.pane import picked
from tui.widgets import palette
from tui.widgets.columns import Column
from tui.widgets.table import Row

COLUMNS: tuple[Column, ...] = (
    Column("name", "POD / CONTAINER", 20, flex=3, most=44, sort="N"),
    Column("ready", "READY", 5, "right"),
    Column("status", "STATUS", 20, rank=1),
    Column("cpu", "CPU", 6, "right", sort="C"),
    Column("memory", "MEMORY", 8, "right", sort="M"),
    Column("restarts", "RESTARTS", 8, "right", rank=3, sort="R"),
    Column("age", "AGE", 4, "right", rank=2, sort="A"),
)


class NodePane(ContainersPane):
    """A tree of two levels; headings carry the totals of their group."""

    scope = "node"
    columns = COLUMNS

    def side(self) -> ComposeResult:
        """The machine."""
        with Vertical(classes="side"):
            yield Static("", classes="facts", markup=False)
            yield HostGauges()
            yield Board(HOST_PLOTS)

    def watch_hub(self, mark: Callable[..., None]) -> Iterable[Callable[[], None]]:
        """Containers, figures and the node."""
        return [*super().watch_hub(mark), self.hub.node.watch(mark)]

    def rows(self) -> Sequence[Row]:
        """Groups with their containers."""
        known = self.known()
        self._measure(known)
        return [row for group in self._groups(known) for row in self._group_rows(group)]

    def _groups(self, known: Sequence[Container]) -> list[PodGroup]:
        place = {item.id: at for at, item in enumerate(known)}
        return [
            PodGroup(group.name, tuple(sorted(group.containers, key=lambda item: place[item.id])))
            for group in group_pods(known)
        ]

    def _group_rows(self, group: PodGroup) -> Iterable[Row]:
        found = render.rows(group, self.hub.metrics.latest, self.clock())
        for row in found:
            heading = not row.container_id
            key = f"pod:{row.pod}" if heading else row.container_id
            cells = picked(render.COLUMNS, row.cells, self.columns)
            if heading:
                yield Row(key, _open(cells), heading=True)
            else:
                item = self.hub.containers.items[row.container_id]
                yield Row(key, self._member(item, cells))

    def _member(self, item: Container, cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
        name, _, _, *rest = cells
        return (name, Cell(""), self._status(item, self.clock()), *rest)

    def show_side(self) -> None:
        """The machine's figures."""
        host = self.hub.metrics.host
        self.query_one(".facts", Static).update(self._node_facts())
        self.query_one(HostGauges).show(host.latest)
        if self.screen.has_class("-wide"):
            self.query_one(Board).show(host)

    def _node_facts(self) -> Text:
        text = Text(overflow="ellipsis", no_wrap=True)
        node, host = self.hub.node.info, self.hub.metrics.host.latest
        if node is None:
            return text
        dim = palette.tone(self, "dim")
        text.append(f"{safe(node.name)}  ", palette.tone(self, "title", bold=True))
        text.append(f"{safe(node.os)}, kernel {safe(node.kernel)}, {node.architecture}\n", dim)
        if self.screen.has_class("-wide"):
            text.append("capacity   ", dim)
            text.append(f"{node.cpus} CPUs, {units.size(node.memory)} memory\n")
            text.append("engine     ", dim)
            text.append(f"{node.engine} {safe(node.engine_version)}, {node.storage_driver}, ")
            text.append(f"cgroup v{node.cgroup_version.removeprefix('v')}\n")
        text.append("containers ", dim)
        text.append(render.census(self.hub.containers.items.values()))
        text.append("   load ", dim)
        loads = (host.load1, host.load5, host.load15) if host else (None,) * 3
        text.append(" ".join("—" if one is None else f"{one:.2f}" for one in loads))
        if host is not None and host.swap_bytes:
            text.append("   swap ", dim).append(units.size(host.swap_bytes))
        for warning in node.warnings[:2]:
            text.append(f"\n▲ {safe(warning)}", palette.tone(self, "warn"))
        return text


def _open(cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """A heading's empty cells are empty, so that its name may run on."""
    first, *rest = cells
    named = Cell(f"▾ {first.text}", first.style)
    return (named, *(cell if cell.text != "—" else Cell("") for cell in rest))
