"""Graphs and gauges of one container, and of the host."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from textual.app import ComposeResult
from textual.containers import Container as Box

from tui.informers import Series
from tui.models import HostSample, Sample
from tui.render import units as words
from tui.screens import units
from tui.widgets.gauge import Gauge, Level
from tui.widgets.graph import Graph, MirrorGraph, Trace, Unit

SPAN = 600
AnySeries = Series[Sample] | Series[HostSample]


class Timed(Protocol):
    """A sample: all that alignment needs."""

    @property
    def t(self) -> float:
        """Seconds since the epoch."""
        ...


def aligned(
    samples: Sequence[Timed], name: str, span: int = SPAN
) -> tuple[list[float | None], int]:
    """(values a second apart, number of the last second).

    A second skipped by a late sample takes its neighbour's value; longer gaps stay gaps. All
    columns of the same samples are of one length, or their graphs would span different times.
    """
    if not samples:
        return [], 0
    newest = int(samples[-1].t)
    values: list[float | None] = [None] * span
    for sample in samples:
        place = span - 1 - (newest - int(sample.t))
        if 0 <= place < span:
            values[place] = getattr(sample, name)
    for place in range(1, span - 1):
        if values[place] is None and values[place + 1] is not None:
            values[place] = values[place - 1]
    return values[max(0, span - 1 - (newest - int(samples[0].t))) :], newest


@dataclass(frozen=True, slots=True)
class Plot:
    """One graph: which column, its limit's column or its mirrored column, and how it looks."""

    column: str
    title: str
    tone: str
    kind: Literal["cores", "size", "rate"]
    limit: str = ""
    below: str = ""
    names: tuple[str, str] = ("", "")

    @property
    def unit(self) -> Unit:
        """How its figures are written."""
        found: Unit = getattr(units, self.kind)
        return found


NETWORK = Plot("net_rx_bps", "Network", "net", "rate", below="net_tx_bps", names=("in", "out"))
BLOCK = Plot(
    "block_read_bps", "Block I/O", "block", "rate", below="block_write_bps", names=("read", "write")
)
CONTAINER_PLOTS = (
    Plot("cpu_cores", "CPU cores", "cpu", "cores", "cpu_limit"),
    Plot("memory_bytes", "Memory", "memory", "size", "memory_limit"),
    NETWORK,
    BLOCK,
)
HOST_PLOTS = (
    Plot("cpu_cores", "CPU cores busy", "cpu", "cores", "cpu_total"),
    Plot("memory_bytes", "Memory used", "memory", "size", "memory_limit"),
    NETWORK,
    BLOCK,
)


def make_graph(plot: Plot) -> Graph:
    """The widget of a plot."""
    key = f"plot-{plot.column}"
    if plot.below:
        graph: Graph = MirrorGraph(
            plot.title, plot.tone, plot.unit, names=plot.names, tone_below="info", id=key
        )
        return graph.add_class("minor")
    return Graph(plot.title, plot.tone, plot.unit, binary=plot.kind == "size", id=key)


def trace(plot: Plot, series: AnySeries) -> Trace:
    """What the plot's graph shows of these samples."""
    samples: list[Timed] = [*series]
    values, newest = aligned(samples, plot.column)
    if plot.below:
        below, _ = aligned(samples, plot.below)
        return Trace(
            tuple(values), newest, notes=_peak(plot, [*values, *below]), below=tuple(below)
        )
    latest = series.latest
    limit = getattr(latest, plot.limit) if latest else None
    notes = [f"of {plot.unit(limit)}"] if limit else []
    notes += _peak(plot, values)
    if isinstance(latest, Sample) and plot.column == "cpu_cores" and latest.throttled_percent:
        notes.append(f"throttled {words.percent(latest.throttled_percent)}")
    return Trace(tuple(values), newest, limit, tuple(notes))


def _peak(plot: Plot, values: Sequence[float | None]) -> tuple[str, ...]:
    known = [value for value in values if value is not None]
    return (f"peak {plot.unit(max(known))}",) if known else ()


class Board(Box):
    """The graphs of a list of plots."""

    DEFAULT_CSS = "Board { height: 1fr; }"

    def __init__(self, plots: Sequence[Plot], *, id: str | None = None, classes: str = "") -> None:
        super().__init__(id=id, classes=classes)
        self.plots = plots

    def compose(self) -> ComposeResult:
        """One graph a plot."""
        for plot in self.plots:
            yield make_graph(plot)

    def show(self, series: AnySeries) -> None:
        """Draw what changed."""
        for plot in self.plots:
            graph = self.query_one(f"#plot-{plot.column}", Graph)
            if graph.display:
                graph.show(trace(plot, series))


class Gauges(Box):
    """CPU, memory and processes of a container against its limits."""

    DEFAULT_CSS = "Gauges { height: 3; }"

    def compose(self) -> ComposeResult:
        """Three lines."""
        yield Gauge("CPU", "cpu", id="gauge-cpu", warn=0.9, alarm=1.01)
        yield Gauge("Memory", "memory", id="gauge-memory")
        yield Gauge("Pids", "info", id="gauge-pids")

    def show(self, sample: Sample | None) -> None:
        """Draw what changed."""
        used = sample or Sample(0.0)
        self._set(
            "cpu", used.cpu_cores, used.cpu_limit, _of(used.cpu_cores, used.cpu_limit, "cores")
        )
        self._set(
            "memory",
            used.memory_bytes,
            used.memory_limit,
            _of(used.memory_bytes, used.memory_limit, "size"),
        )
        self._set("pids", used.pids, used.pids_limit, _of(used.pids, used.pids_limit, "count"))

    def _set(self, name: str, part: float | None, whole: float | None, text: str) -> None:
        self.query_one(f"#gauge-{name}", Gauge).show(Level(part, whole, text))


def _of(part: float | None, whole: float | None, kind: str) -> str:
    write = getattr(words, kind)
    if part is None:
        return words.UNKNOWN
    if not whole:
        return f"{write(part)}, no limit"
    return f"{write(part)} of {write(whole)} ({words.percent(100 * part / whole)})"


class HostGauges(Box):
    """CPU, memory, swap-free memory and disk of the host."""

    DEFAULT_CSS = "HostGauges { height: 3; }"

    def compose(self) -> ComposeResult:
        """Three lines."""
        yield Gauge("CPU", "cpu", id="gauge-cpu")
        yield Gauge("Memory", "memory", id="gauge-memory")
        yield Gauge("Disk", "block", id="gauge-disk")

    def show(self, sample: HostSample | None) -> None:
        """Draw what changed."""
        used = sample or HostSample(0.0)
        cpu = _of(used.cpu_cores, used.cpu_total, "cores")
        memory = _of(used.memory_bytes, used.memory_limit, "size")
        disk = _of(used.disk_bytes, used.disk_limit, "size")
        self.query_one("#gauge-cpu", Gauge).show(Level(used.cpu_cores, used.cpu_total, cpu))
        self.query_one("#gauge-memory", Gauge).show(
            Level(used.memory_bytes, used.memory_limit, memory)
        )
        self.query_one("#gauge-disk", Gauge).show(Level(used.disk_bytes, used.disk_limit, disk))
