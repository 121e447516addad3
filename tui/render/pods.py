"""Rows of the pod view: a group, then its containers."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tui.models import NO_POD, Container, ContainerState, PodGroup, Sample
from tui.render import containers, units
from tui.render.cells import NOTHING, Cell, Column
from tui.render.text import safe

COLUMNS = (
    Column("name", "POD / CONTAINER", 32),
    Column("ready", "READY", 7, "right"),
    Column("status", "STATUS", 28),
    Column("cpu", "CPU", 8, "right"),
    Column("memory", "MEMORY", 10, "right"),
    Column("restarts", "RESTARTS", 8, "right"),
    Column("age", "AGE", 6, "right"),
)

Samples = Callable[[str], Sample | None]


@dataclass(frozen=True, slots=True)
class PodRow:
    """``container_id`` is empty in a group's own row."""

    pod: str
    container_id: str
    cells: tuple[Cell, ...]


def rows(group: PodGroup, samples: Samples, now: float) -> list[PodRow]:
    """The group's row and one for each container; ``samples`` gives the newest by id."""
    own = PodRow(group.name, "", _group(group, samples, now))
    return [own, *(_member(group.name, item, samples(item.id), now) for item in group.containers)]


def census(held: Iterable[Container]) -> str:
    """``3 running, 1 restarting, 2 stopped``; restarting and paused only when there are any."""
    found = Counter(item.state for item in held)
    alive = [ContainerState.RUNNING, ContainerState.RESTARTING, ContainerState.PAUSED]
    shown = [state for state in alive if found[state] or state is ContainerState.RUNNING]
    counts = [f"{found[state]} {state.value}" for state in shown]
    stopped = found.total() - sum(found[state] for state in alive)
    return ", ".join([*counts, f"{stopped} stopped"])


def _group(group: PodGroup, samples: Samples, now: float) -> tuple[Cell, ...]:
    found = [sample for item in group.containers if (sample := samples(item.id))]
    total, ready = len(group.containers), group.ready
    name = "(no pod)" if group.name == NO_POD else safe(group.name)
    oldest = min((item.created for item in group.containers), default=0.0)
    return (
        Cell(name, "accent"),
        Cell(f"{ready}/{total}", "ok" if ready == total else "warn"),
        NOTHING,
        _sum([sample.cpu_cores for sample in found], units.cores),
        _sum([sample.memory_bytes for sample in found], units.size),
        Cell(str(group.restarts), "warn" if group.restarts else "muted"),
        Cell(units.age(oldest, now)),
    )


def _sum(values: list[float | None], write: Callable[[float | None], str]) -> Cell:
    known = [value for value in values if value is not None]
    return Cell(write(sum(known))) if known else NOTHING


def _member(pod: str, item: Container, sample: Sample | None, now: float) -> PodRow:
    mark = containers.glyph(item)
    cells = (
        Cell(f"  {mark.text} {safe(item.name)}", mark.style),
        NOTHING,
        containers.status(item, now),
        Cell(units.cores(sample.cpu_cores)) if sample else NOTHING,
        Cell(units.size(sample.memory_bytes)) if sample else NOTHING,
        containers.restarts(item),
        Cell(units.age(item.created, now)),
    )
    return PodRow(pod, item.id, cells)
