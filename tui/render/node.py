"""The host as a node."""

from tui.models import EngineInfo, HostSample, NodeInfo
from tui.render import units
from tui.render.cells import Cell, Section
from tui.render.figures import load_style
from tui.render.text import safe


def sections(
    node: NodeInfo, host: HostSample | None, info: EngineInfo | None = None
) -> list[Section]:
    """What the machine is, how loaded it is, what the engine there is and warns of."""
    found = [_machine(node), _load(node, host), _engine(node, info)]
    warnings = [*node.warnings, *(info.warnings if info else ())]
    if warnings:
        lines = tuple(("!", Cell(safe(text), "warn")) for text in dict.fromkeys(warnings))
        found.append(Section("Warnings", lines))
    return found


def _machine(node: NodeInfo) -> Section:
    return Section(
        "Node",
        (
            ("Name", Cell(safe(node.name), "accent")),
            ("System", Cell(safe(node.os))),
            ("Kernel", Cell(safe(node.kernel))),
            ("Architecture", Cell(safe(node.architecture))),
            ("CPUs", Cell(str(node.cpus))),
            ("Memory", Cell(units.size(node.memory))),
        ),
    )


def _load(node: NodeInfo, host: HostSample | None) -> Section:
    states = f"{node.running} running, {node.paused} paused, {node.stopped} stopped"
    counts = f"{states}, {node.images} image{'' if node.images == 1 else 's'}"
    rows = [("Containers", Cell(counts))]
    return Section("Load", (*(_figures(host) if host else ()), *rows))


def _figures(host: HostSample) -> tuple[tuple[str, Cell], ...]:
    loads = " ".join(
        "—" if one is None else f"{one:.2f}" for one in (host.load1, host.load5, host.load15)
    )
    return (
        ("CPU", used_of(host.cpu_cores, host.cpu_total, cores=True)),
        ("Load", Cell(loads)),
        ("Memory", used_of(host.memory_bytes, host.memory_limit)),
        ("Swap", Cell(units.size(host.swap_bytes))),
        ("Disk", used_of(host.disk_bytes, host.disk_limit)),
        ("Processes", Cell(units.count(host.pids))),
        ("Block I/O", _both(host.block_read_bps, "read", host.block_write_bps, "write")),
        ("Network", _both(host.net_rx_bps, "in", host.net_tx_bps, "out")),
    )


def used_of(used: float | None, whole: float | None, *, cores: bool = False) -> Cell:
    """``1.20 of 2 cores (60%)``, ``3.1 GiB of 16.0 GiB (19%)``."""
    share = None if used is None or not whole else 100 * used / whole
    if cores:
        text = f"{units.cores(used)} of {units.count(whole)} cores ({units.percent(share)})"
    else:
        text = f"{units.size(used)} of {units.size(whole)} ({units.percent(share)})"
    return Cell(text, load_style(share))


def _both(one: float | None, first: str, two: float | None, second: str) -> Cell:
    return Cell(f"{units.rate(one)} {first}, {units.rate(two)} {second}")


def _engine(node: NodeInfo, info: EngineInfo | None) -> Section:
    groups = node.cgroup_version or (info.cgroup if info else "")
    endpoint = (("Endpoint", Cell(safe(info.endpoint))),) if info else ()
    return Section(
        "Engine",
        (
            ("Engine", Cell(f"{safe(node.engine)} {safe(node.engine_version)}", "accent")),
            ("API", Cell(safe(node.api_version))),
            *endpoint,
            ("Storage", Cell(safe(node.storage_driver))),
            ("Cgroups", Cell(safe(" ".join(filter(None, (groups, node.cgroup_driver)))))),
            ("Data", Cell(safe(node.data_dir))),
        ),
    )
