"""Rows of the metrics pane: every figure of the cgroup, and its graphs' texts."""

from tui.models import Container, Sample
from tui.render import containers, figures
from tui.render.cells import Cell, Column
from tui.render.text import safe

COLUMNS = (
    Column("state", " ", 1),
    Column("name", "NAME", 20),
    Column("cpu", "CPU", 10, "right"),
    Column("cpu_percent", "CPU%", 6, "right"),
    Column("throttled", "THROTTLED", 9, "right"),
    Column("memory", "MEMORY", 19, "right"),
    Column("memory_percent", "MEM%", 6, "right"),
    Column("pids", "PIDS", 8, "right"),
    Column("block_read", "BLK READ", 12, "right"),
    Column("block_write", "BLK WRITE", 12, "right"),
    Column("net_rx", "NET RX", 12, "right"),
    Column("net_tx", "NET TX", 12, "right"),
    Column("ooms", "OOM", 4, "right"),
)


def row(container: Container, sample: Sample | None) -> tuple[Cell, ...]:
    """Cells in the order of ``COLUMNS``."""
    return (
        containers.glyph(container),
        Cell(safe(container.name)),
        figures.cpu(sample),
        figures.cpu_percent(sample),
        figures.throttled(sample),
        figures.memory(sample),
        figures.memory_percent(sample),
        figures.pids(sample),
        figures.rate(sample.block_read_bps if sample else None),
        figures.rate(sample.block_write_bps if sample else None),
        figures.rate(sample.net_rx_bps if sample else None),
        figures.rate(sample.net_tx_bps if sample else None),
        figures.ooms(sample),
    )


def sort_key(container: Container, sample: Sample | None, column: str) -> tuple[bool, float | str]:
    """A key for sorting by a column; what is unknown sorts before every figure."""
    names = {
        "throttled": "throttled_percent",
        "block_read": "block_read_bps",
        "block_write": "block_write_bps",
        "net_rx": "net_rx_bps",
        "net_tx": "net_tx_bps",
        "ooms": "oom_kills",
    }
    if column not in names:
        return containers.sort_key(container, sample, column)
    value = getattr(sample, names[column]) if sample else None
    return (value is not None, value or 0.0)
