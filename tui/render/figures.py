"""Cells of live figures, coloured by how near they are to their limit."""

from tui.models import Sample
from tui.render import units
from tui.render.cells import NOTHING, Cell, Style

WARN_PERCENT = 75.0
ERROR_PERCENT = 90.0


def load_style(percent: float | None) -> Style:
    """How near to its limit a figure is."""
    if percent is None or percent < WARN_PERCENT:
        return ""
    return "error" if percent >= ERROR_PERCENT else "warn"


def cpu(sample: Sample | None) -> Cell:
    """Cores used, and of how many when there is a limit: ``0.50/0.5``."""
    if sample is None or sample.cpu_cores is None:
        return NOTHING
    used = units.cores(sample.cpu_cores)
    limit = f"/{sample.cpu_limit:g}" if sample.cpu_limit else ""
    return Cell(used + limit, load_style(sample.cpu_percent))


def cpu_percent(sample: Sample | None) -> Cell:
    """Share of the CPU limit."""
    value = sample.cpu_percent if sample else None
    return NOTHING if value is None else Cell(units.percent(value), load_style(value))


def throttled(sample: Sample | None) -> Cell:
    """Share of scheduling periods cut short by the CPU limit."""
    value = sample.throttled_percent if sample else None
    if value is None:
        return NOTHING
    return Cell(units.percent(value), "warn" if value >= 25 else "" if value else "muted")


def memory(sample: Sample | None) -> Cell:
    """Working set, and of how much when there is a limit."""
    if sample is None or sample.memory_bytes is None:
        return NOTHING
    limit = f"/{units.size(sample.memory_limit)}" if sample.memory_limit else ""
    return Cell(units.size(sample.memory_bytes) + limit, load_style(sample.memory_percent))


def memory_percent(sample: Sample | None) -> Cell:
    """Share of the memory limit."""
    value = sample.memory_percent if sample else None
    return NOTHING if value is None else Cell(units.percent(value), load_style(value))


def pids(sample: Sample | None) -> Cell:
    """Processes, and of how many when there is a limit."""
    if sample is None or sample.pids is None:
        return NOTHING
    if not sample.pids_limit:
        return Cell(units.count(sample.pids))
    share = 100 * sample.pids / sample.pids_limit
    return Cell(f"{sample.pids:.0f}/{sample.pids_limit:.0f}", load_style(share))


def rate(value: float | None) -> Cell:
    """Bytes a second."""
    if value is None:
        return NOTHING
    return Cell(units.rate(value), "" if value >= 0.5 else "muted")


def ooms(sample: Sample | None) -> Cell:
    """OOM kills so far; any at all is worth a colour."""
    value = sample.oom_kills if sample else None
    if value is None:
        return NOTHING
    return Cell(units.count(value), "error" if value else "muted")
