"""Rows of the container list."""

from tui.models import Container, ContainerState, PortMapping, Sample
from tui.render import figures, units
from tui.render.cells import NOTHING, Cell, Column, Style
from tui.render.text import safe

COLUMNS = (
    Column("state", " ", 1),
    Column("name", "NAME", 24),
    Column("image", "IMAGE", 24),
    Column("status", "STATUS", 28),
    Column("cpu", "CPU", 10, "right"),
    Column("cpu_percent", "CPU%", 6, "right"),
    Column("memory", "MEMORY", 19, "right"),
    Column("memory_percent", "MEM%", 6, "right"),
    Column("pids", "PIDS", 8, "right"),
    Column("restarts", "RESTARTS", 8, "right"),
    Column("id", "ID", 12),
)

_GLYPHS: dict[ContainerState, tuple[str, str, Style]] = {
    ContainerState.CREATED: ("○", "o", "muted"),
    ContainerState.RUNNING: ("●", "*", "ok"),
    ContainerState.PAUSED: ("‖", "=", "warn"),
    ContainerState.RESTARTING: ("↻", "~", "warn"),
    ContainerState.REMOVING: ("⌫", "x", "muted"),
    ContainerState.EXITED: ("■", "-", "muted"),
    ContainerState.DEAD: ("✗", "!", "error"),
    ContainerState.UNKNOWN: ("?", "?", "muted"),
}


def glyph(container: Container, *, ascii: bool = False) -> Cell:
    """One character for the state; a failed one is red, an unhealthy one yellow."""
    wide, narrow, style = _GLYPHS[container.state]
    if container.health == "unhealthy" and container.running:
        style = "warn"
    if container.state is ContainerState.EXITED and (container.exit_code or container.oom_killed):
        style = "error"
    return Cell(narrow if ascii else wide, style)


def status(container: Container, now: float) -> Cell:
    """Docker's words: ``Up 3 minutes``, ``Exited (137) 2 minutes ago``, OOM kills named.

    Worded here from the times, so that it grows without asking; the engine's own text serves
    until they are known.
    """
    return Cell(_worded(container, now), glyph(container).style)


def _worded(container: Container, now: float) -> str:
    state = container.state
    if not container.detailed and container.status_text:
        return safe(container.status_text)
    if state in (ContainerState.RUNNING, ContainerState.PAUSED):
        return _up(container, now)
    if state in (ContainerState.EXITED, ContainerState.RESTARTING):
        return _ended(container, now)
    return state.value.capitalize()


def _up(container: Container, now: float) -> str:
    text = f"Up {units.words(now - (container.started_at or now))}"
    if container.paused:
        return f"{text} (Paused)"
    return f"{text} ({container.health})" if container.health else text


def _ended(container: Container, now: float) -> str:
    word = "Exited" if container.state is ContainerState.EXITED else "Restarting"
    ago = units.words(now - (container.finished_at or now))
    killed = " OOM" if container.oom_killed else ""
    return f"{word} ({container.exit_code or 0}){killed} {ago} ago"


def restarts(container: Container) -> Cell:
    """How often the engine has started it again."""
    if container.restarts is None:
        return NOTHING
    return Cell(str(container.restarts), "warn" if container.restarts else "muted")


def row(container: Container, sample: Sample | None, now: float) -> tuple[Cell, ...]:
    """Cells in the order of ``COLUMNS``; ``sample`` is None when it does not run."""
    return (
        glyph(container),
        Cell(safe(container.name)),
        Cell(safe(container.image), "info"),
        status(container, now),
        figures.cpu(sample),
        figures.cpu_percent(sample),
        figures.memory(sample),
        figures.memory_percent(sample),
        figures.pids(sample),
        restarts(container),
        Cell(container.short_id, "muted"),
    )


def ports(mappings: tuple[PortMapping, ...]) -> str:
    """Docker's words: ``0.0.0.0:8080->80/tcp, 53/udp``."""
    return ", ".join(_port(item) for item in mappings)


def _port(item: PortMapping) -> str:
    inner = f"{item.container_port}/{item.protocol}"
    if item.host_port is None:
        return inner
    host = f"[{item.host_ip}]" if ":" in item.host_ip else item.host_ip
    return f"{host or '*'}:{item.host_port}->{inner}"


def sort_key(container: Container, sample: Sample | None, column: str) -> tuple[bool, float | str]:
    """A key for sorting by a column; what is unknown sorts before every figure."""
    value: float | str | None = {
        "state": container.state.value,
        "name": container.name.lower(),
        "image": container.image.lower(),
        "status": -(container.started_at or container.finished_at or container.created),
        "restarts": container.restarts,
        "id": container.id,
        "cpu": sample.cpu_cores if sample else None,
        "cpu_percent": sample.cpu_percent if sample else None,
        "memory": sample.memory_bytes if sample else None,
        "memory_percent": sample.memory_percent if sample else None,
        "pids": sample.pids if sample else None,
    }.get(column)
    return (value is not None, 0.0 if value is None else value)
