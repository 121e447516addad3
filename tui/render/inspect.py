"""Detail views: grouped key and value lines, and the engine's document as lines."""

import shlex
from collections.abc import Iterable, Mapping

from tui.models import Container, ContainerDetail, ImageDetail, Limits, MountPoint
from tui.render import containers, units
from tui.render.cells import NOTHING, Cell, Section, Style
from tui.render.text import safe

SECRET_WORDS = ("password", "passwd", "secret", "token", "apikey", "api_key", "private_key")


def container_sections(detail: ContainerDetail, now: float) -> list[Section]:
    """What a person asks first comes first: how it is, what it runs, what bounds it."""
    found = [
        _state(detail.container, now),
        _process(detail),
        _limits(detail.container.limits),
        _section("Environment", _env(detail.env)),
        _section("Mounts", (_mount(item) for item in detail.mounts)),
        _network(detail),
        _section("Labels", _pairs(detail.container.labels)),
        _engine(detail),
    ]
    return [section for section in found if section.rows]


def _section(title: str, rows: Iterable[tuple[str, Cell]]) -> Section:
    return Section(title, tuple(rows))


def _value(text: object, style: Style = "") -> Cell:
    worded = safe(str(text))
    return Cell(worded, style) if worded else NOTHING


def _words(words: Iterable[str]) -> Cell:
    return _value(shlex.join(words))


def _state(container: Container, now: float) -> Section:
    rows = [
        ("Name", _value(container.name, "accent")),
        ("Id", _value(container.id)),
        ("Image", _value(container.image, "info")),
        ("Status", containers.status(container, now)),
        ("Created", _value(units.date(container.created))),
        ("Started", _value(units.date(container.started_at))),
        ("Finished", _value(units.date(container.finished_at))),
        ("Pid", _value(container.pid) if container.pid else NOTHING),
        ("Restarts", containers.restarts(container)),
        ("Restart policy", _value(container.restart_policy)),
    ]
    return _section("State", [*rows, *_death(container)])


def _death(container: Container) -> list[tuple[str, Cell]]:
    rows: list[tuple[str, Cell]] = []
    if container.exit_code is not None and not container.running:
        rows.append(("Exit code", _value(exit_words(container.exit_code, container.oom_killed))))
    if container.oom_killed:
        rows.append(("OOM killed", Cell("yes: it needed more memory than its limit", "error")))
    if container.error:
        rows.append(("Error", _value(container.error, "error")))
    return rows


_SIGNALS = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    6: "SIGABRT",
    9: "SIGKILL",
    11: "SIGSEGV",
    13: "SIGPIPE",
    15: "SIGTERM",
}


def exit_words(code: int, oom_killed: bool = False) -> str:
    """An exit code with what it usually means."""
    if oom_killed:
        return f"{code} (killed for lack of memory)"
    if code == 126:
        return "126 (the command cannot be executed)"
    if code == 127:
        return "127 (the command was not found)"
    if 128 < code < 128 + 65:
        return f"{code} (ended by {_SIGNALS.get(code - 128, f'signal {code - 128}')})"
    return str(code)


def _process(detail: ContainerDetail) -> Section:
    container, words = detail.container, _words(detail.arguments)
    told = detail.entrypoint or detail.arguments  # else only the list's wording is known
    return _section(
        "Process",
        (
            ("Entrypoint", _words(detail.entrypoint)),
            ("Command", words if told else _value(container.command)),
            ("Directory", _value(detail.working_dir or "/")),
            ("User", _value(detail.user or "root")),
            ("Terminal", _value("yes" if container.tty else "no")),
            ("Stop signal", _value(detail.stop_signal or "SIGTERM")),
        ),
    )


def _limits(limits: Limits) -> Section:
    cpus = "no limit" if limits.cpus is None else f"{limits.cpus:g} cores"
    rows = [
        ("CPU", _value(cpus)),
        ("Memory", _bound(limits.memory)),
        ("Memory and swap", _bound(limits.memory_swap)),
        ("Processes", _value("no limit" if limits.pids is None else limits.pids)),
    ]
    if limits.cpu_shares:
        rows.append(("CPU shares", _value(limits.cpu_shares)))
    if limits.cpuset:
        rows.append(("CPU set", _value(limits.cpuset)))
    if limits.block_weight:
        rows.append(("Block I/O weight", _value(limits.block_weight)))
    return _section("Limits", rows)


def _bound(value: int | None) -> Cell:
    return _value("no limit" if value is None else units.size(value))


def _env(words: Iterable[str]) -> Iterable[tuple[str, Cell]]:
    for word in words:
        name, _, value = word.partition("=")
        yield safe(name), _secret(name, value)


def _secret(name: str, value: str) -> Cell:
    if value and any(word in name.lower() for word in SECRET_WORDS):
        return Cell("••••••", "muted")
    return _value(value)


def _mount(item: MountPoint) -> tuple[str, Cell]:
    mode = "read-only" if item.read_only else "read-write"
    return safe(item.target), _value(f"{item.kind} {item.source} ({mode})")


def _network(detail: ContainerDetail) -> Section:
    rows = [("Mode", _value(detail.container.network_mode or "default"))]
    rows += [("Hostname", _value(detail.hostname))]
    if detail.container.ports:
        rows.append(("Ports", _value(containers.ports(detail.container.ports))))
    rows += [(safe(item.network), _value(item.address)) for item in detail.networks]
    return _section("Network", rows)


def _pairs(values: Mapping[str, str]) -> Iterable[tuple[str, Cell]]:
    return ((safe(key), _value(values[key])) for key in sorted(values))


def _engine(detail: ContainerDetail) -> Section:
    rows = [
        ("Privileged", _value("yes", "warn") if detail.privileged else _value("no")),
        ("Read-only root", _value("yes" if detail.read_only_root else "no")),
        ("Added capabilities", _value(" ".join(detail.cap_add))),
        ("Dropped capabilities", _value(" ".join(detail.cap_drop))),
        ("Log", _value(" ".join(filter(None, (detail.log_driver, detail.log_path))))),
        ("Runtime", _value(detail.runtime)),
        ("Storage", _value(detail.storage_driver)),
        ("Cgroup parent", _value(detail.cgroup_parent)),
        ("Removed when done", _value("yes" if detail.auto_remove else "no")),
    ]
    return _section("Engine", [row for row in rows if row[1] is not NOTHING])


def image_sections(detail: ImageDetail, now: float) -> list[Section]:
    """What an image is called, holds and runs."""
    found = [
        _image(detail, now),
        _defaults(detail),
        _section("Environment", _env(detail.env)),
        _section("Labels", _pairs(detail.image.labels)),
        _section("Layers", ((str(at), _value(name)) for at, name in enumerate(detail.layers, 1))),
    ]
    return [section for section in found if section.rows]


def _image(detail: ImageDetail, now: float) -> Section:
    image = detail.image
    names = [("Reference", _value(name, "accent")) for name in image.references]
    return _section(
        "Image",
        (
            *(names or [("Reference", NOTHING)]),
            ("Id", _value(image.id)),
            *(("Digest", _value(name)) for name in image.digests),
            ("Created", _value(f"{units.date(image.created)} ({units.age(image.created, now)})")),
            ("Size", _value(units.size(image.size))),
            ("Platform", _value(f"{detail.os}/{detail.architecture}")),
            ("Author", _value(detail.author)),
            ("Comment", _value(detail.comment)),
        ),
    )


def _defaults(detail: ImageDetail) -> Section:
    return _section(
        "Runs",
        (
            ("Entrypoint", _words(detail.entrypoint)),
            ("Command", _words(detail.command)),
            ("Directory", _value(detail.working_dir or "/")),
            ("User", _value(detail.user or "root")),
            ("Ports", _value(" ".join(detail.exposed_ports))),
            ("Volumes", _value(" ".join(detail.volumes))),
        ),
    )


def json_lines(document: str) -> list[str]:
    """Lines of the engine's own document, harmless to a terminal."""
    return [safe(line) for line in document.split("\n")]
