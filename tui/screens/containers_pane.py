"""The list of containers, with the selected one's figures and last lines at its side."""

from collections.abc import Callable, Iterable, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tui.actions import Subject
from tui.models import Container, ContainerState, EngineInfo, Feature
from tui.render import containers as render
from tui.render import units
from tui.render.cells import Cell, Style
from tui.render.text import safe
from tui.screens.board import CONTAINER_PLOTS, Board, Gauges
from tui.screens.log_panel import LogPanel
from tui.screens.pane import Pane
from tui.widgets import palette
from tui.widgets.columns import Column
from tui.widgets.notice import NoticeState
from tui.widgets.table import Row

COLUMNS: tuple[Column, ...] = (
    Column("state", " ", 1, gap=1),
    Column("name", "NAME", 10, flex=3, most=40, sort="N"),
    Column("image", "IMAGE", 10, flex=2, most=40, fair=24, rank=2, sort="I"),
    Column("status", "STATUS", 20, rank=1, sort="S"),
    Column("cpu", "CPU", 10, "right", sort="C"),
    Column("memory", "MEMORY", 8, "right", sort="M"),
    Column("memory_percent", "MEM%", 5, "right", rank=3),
    Column("pids", "PIDS", 6, "right", rank=4, sort="D"),
    Column("restarts", "RESTARTS", 8, "right", rank=5, sort="R"),
    Column("id", "ID", 12, rank=6),
)

_KEYS = [column.key for column in render.COLUMNS]


class ContainersPane(Pane):
    """Kept by events; figures once a second for what can be seen."""

    scope = "containers"
    columns = COLUMNS
    FIGURES = frozenset({"cpu", "memory", "memory_percent", "pids", "restarts"})
    show_all = True

    def side(self) -> ComposeResult:
        """Facts, gauges, graphs, last lines."""
        with Vertical(classes="side"):
            yield Static("", classes="facts", markup=False)
            yield Gauges()
            yield Board(CONTAINER_PLOTS[:2])
            yield Static("Last lines", classes="heading", markup=False)
            yield LogPanel(self.hub, brief=True)

    def watch_hub(self, mark: Callable[..., None]) -> Iterable[Callable[[], None]]:
        """Containers and figures."""
        return [
            self.hub.containers.watch(changed=mark),
            self.hub.metrics.watch(mark),
        ]

    def known(self) -> list[Container]:
        """What the filter lets through, sorted."""
        kept = [item for item in self.hub.containers.items.values() if self._wanted(item)]
        column, latest = self.order.column, self.hub.metrics.latest
        kept.sort(key=lambda item: item.name)
        kept.sort(
            key=lambda item: render.sort_key(item, latest(item.id), column),
            reverse=self.order.descending,
        )
        return kept

    def _wanted(self, item: Container) -> bool:
        if not (self.show_all or item.running):
            return False
        words = f"{item.name} {item.image} {item.state.value} {item.short_id} {item.status_text}"
        return self.filter.matches(words, item.labels)

    def rows(self) -> Sequence[Row]:
        """One row a container."""
        known, now = self.known(), self.clock()
        self._measure(known)
        return [self._row(item, now) for item in known]

    def _row(self, item: Container, now: float) -> Row:
        sample = self.hub.metrics.latest(item.id)
        cells = dict(zip(_KEYS, render.row(item, sample, now), strict=True))
        cells["image"] = Cell(cells["image"].text, "muted")
        cells["status"] = self._status(item, now)
        if sample is not None:
            cells["memory"] = Cell(units.size(sample.memory_bytes), cells["memory"].style)
        return Row(item.id, tuple(cells[column.key] for column in self.columns), strong=1)

    def _status(self, item: Container, now: float) -> Cell:
        """What is being done with it, else its state."""
        word = self.hub.underway.word(item.id)
        return Cell(f"{word.capitalize()} …", "accent") if word else brief_status(item, now)

    def _measure(self, known: Sequence[Container]) -> None:
        """Ask for figures of the selected one and of those that can be seen."""
        table = self.table
        top, height = table.scroll_offset.y, table.size.height
        seen = [item.id for item in known[top : top + max(1, height)]]
        held = [table.cursor_key] if table.cursor_key else []
        self.hub.metrics.show(dict.fromkeys([*held, *seen]))

    def toggle_all(self) -> None:
        """All, or only what runs."""
        self.show_all = not self.show_all
        self.refresh_now()

    # -- what is selected ---------------------------------------------------------------------

    @property
    def selected(self) -> Container | None:
        """The container under the cursor."""
        return self.hub.containers.items.get(self.table.cursor_key or "")

    def targets(self) -> list[Container]:
        """The marked ones, else the one under the cursor."""
        items = self.hub.containers.items
        marked = [items[row.key] for row in self.table.rows if row.key in self.table.marks]
        return marked or ([self.selected] if self.selected else [])

    def subject(self) -> Subject:
        """For guards."""
        link = self.hub.link
        held = self.selected
        return Subject(
            held,
            marked=len(self.table.marks),
            engine=link.info,
            linked=link.alive,
            underway=self.hub.underway.word(held.id) if held else "",
            listed=bool(self.hub.containers.items),
        )

    def show_side(self) -> None:
        """Facts and graphs of the one under the cursor."""
        side = self.query_one(".side")
        if not side.display:
            return
        item = self.selected
        self.query_one(".facts", Static).update(self._facts(item))
        metrics = self.hub.metrics
        key = item.id if item else ""
        figures = bool(item and item.running and item.state is not ContainerState.RESTARTING)
        gauges, board = self.query_one(Gauges), self.query_one(Board)
        gauges.display = board.display = figures
        if figures:
            gauges.show(metrics.latest(key))
            board.show(metrics.series(key))
        self.query_one(LogPanel).show(item)

    def _facts(self, item: Container | None) -> Text:
        text = Text(overflow="ellipsis", no_wrap=True)
        if item is None:
            return text
        mark = render.glyph(item)
        status = render.status(item, self.clock())
        dim, title = palette.tone(self, "dim"), palette.tone(self, "title", bold=True)
        text.append(f"{mark.text} ", palette.tone(self, mark.style))
        text.append(f"{safe(item.name)}  ", title)
        text.append(f"{status.text}\n", palette.tone(self, status.style))
        text.append("image    ", dim).append(f"{safe(item.image)}\n")
        text.append("command  ", dim).append(f"{safe(item.command)}\n")
        text.append("created  ", dim).append(f"{units.age(item.created, self.clock())} ago")
        text.append("   restart ", dim).append(item.restart_policy or "no")
        text.append("   network ", dim).append(item.network_mode or "—")
        if item.error:
            text.append(f"\n✕ {safe(item.error)}", palette.tone(self, "bad"))
        return text

    def blank(self) -> NoticeState | None:
        """Nothing known, nothing there, nothing left by the filter."""
        state = self.unconnected()
        if state is not None:
            return state
        held = self.hub.containers.items
        if not held:
            return self._none()
        if any(self._wanted(item) for item in held.values()):
            return None
        if self.filter:
            hidden = f"{len(held)} containers do not match {self.filter.text}"
            return NoticeState("Nothing matches", hidden, keys=(("/", "change the filter"),))
        return NoticeState(
            "Nothing runs", f"{len(held)} stopped", keys=(("^a", "show all containers"),)
        )

    def _none(self) -> NoticeState:
        if self.hub.images.items:
            keys = (("2", "choose an image, then n runs it"),)
            return NoticeState("No containers yet", "Run one from an image.", "title", keys=keys)
        return first_run(self.hub.link.info)


def brief_status(item: Container, now: float) -> Cell:
    """``Up 3m``, ``Exited (137) 2m ago``: state and age in 20 cells, colour only when bad."""
    style = render.glyph(item).style
    tone: Style = style if style in ("error", "warn") else ""
    if item.state in (ContainerState.RUNNING, ContainerState.PAUSED):
        age = units.age(item.started_at, now) if item.detailed else item.status_text[3:]
        health = f" {item.health}" if item.health else ""
        return Cell(f"{'Paused' if item.paused else 'Up'} {age}{health}", tone)
    if item.state is ContainerState.EXITED:
        word = "OOM" if item.oom_killed else "Exited"
        since = units.age(item.finished_at, now)
        ago = f" {since} ago" if item.finished_at else ""
        return Cell(f"{word} ({item.exit_code or 0}){ago}", tone or "muted")
    if item.state is ContainerState.RESTARTING:
        return Cell(f"Restarting ({item.exit_code or 0})", tone)
    return Cell(item.state.value.capitalize(), tone or "muted")


def first_run(info: EngineInfo | None) -> NoticeState:
    """No image and no container: the two ways to begin."""
    keys = [("L", "load a file: a `docker save` or OCI archive")]
    if info is not None and info.has(Feature.FROM_HOST):
        keys.insert(0, ("H", "import from this host (works offline)"))
    body = "This engine has no image and no container.\nMake an image first, then run it."
    return NoticeState("Welcome aboard", body, "accent", "⚓", tuple(keys))
