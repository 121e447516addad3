"""`events`: a container's use of resources now and then, and its OOM kills as they happen.

The documents have the shape of runc's types/events, which cAdvisor and others read.
"""

import os
import select
import time
from typing import Any

from engine.errors import InvalidArgument, NotRunning
from engine.ociruntime import groups, record, store
from engine.ociruntime.commands import Call
from engine.ociruntime.record import Record
from engine.ociruntime.store import Store
from engine.runtime import signals
from engine.runtime.cgroups import BlockStats, CpuStats, Manager, MemoryStats, Stats
from engine.runtime.cgroups.stats import Stall

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_UNLIMITED = 2**64 - 1


def run(call: Call) -> int:
    interval = seconds(call.options.text("interval") or "5s")
    kept = Store(call.common.text("root") or store.default_root()).find(call.container_id)
    if kept.status() == record.STOPPED:
        raise NotRunning("container is not running")
    group = groups.manager(kept)
    if call.options.flag("stats"):
        _tell("stats", kept, to_json(group.stats()))
    else:
        _follow(kept, group, interval)
    return 0


def seconds(text: str) -> float:
    """Of a duration such as 500ms, 5s or 1m. Raises InvalidArgument."""
    for unit, factor in _UNITS.items():
        number = text.removesuffix(unit)
        if number != text and number.replace(".", "", 1).isdigit() and float(number) > 0:
            return float(number) * factor
    raise InvalidArgument(f"invalid value {text!r} for flag -interval: must be a duration, as 5s")


def _tell(kind: str, kept: Record, data: dict[str, Any] | None) -> None:
    document = {"type": kind, "id": kept.id} | ({} if data is None else {"data": data})
    print(record.encode(document), flush=True)


def _follow(kept: Record, group: Manager, interval: float) -> None:
    """Until the container's end. The OOM watch wakes for more than kills: they are counted."""
    process, oom = signals.pidfd_open(kept.pid), group.oom_fd()
    poll = select.poll()
    poll.register(process, select.POLLIN)
    if oom is not None:
        poll.register(oom, select.POLLIN)
    kills, due = group.oom_kills(), time.monotonic()
    while kept.alive():
        if time.monotonic() >= due:
            _tell("stats", kept, to_json(group.stats()))
            due += interval
        ready = {fd for fd, _ in poll.poll(max(0.0, due - time.monotonic()) * 1000)}
        if oom is not None and oom in ready:
            os.read(oom, 4096)
        if group.oom_kills() > kills:
            kills = group.oom_kills()
            _tell("oom", kept, None)


def to_json(stats: Stats) -> dict[str, Any]:
    """A reading in runc's shape; times are nanoseconds, sizes bytes."""
    pressure = stats.pressure
    return {
        "cpu": _cpu(stats.cpu) | _psi(pressure and pressure.cpu),
        "memory": _memory(stats.memory) | _psi(pressure and pressure.memory),
        "pids": {"current": stats.pids.current, "limit": stats.pids.limit or 0},
        "blkio": {
            "ioServiceBytesRecursive": _block(stats.block, "bytes"),
            "ioServicedRecursive": _block(stats.block, "ops"),
        }
        | _psi(pressure and pressure.io),
        "hugetlb": {},
        "intel_rdt": {},
        "network_interfaces": None,
    }


def _cpu(cpu: CpuStats) -> dict[str, Any]:
    usage: dict[str, Any] = {"total": cpu.total_ns}
    if cpu.per_cpu_ns:
        usage["percpu"] = list(cpu.per_cpu_ns)
    return {
        "usage": usage | {"kernel": cpu.system_ns, "user": cpu.user_ns},
        "throttling": {
            "periods": cpu.periods,
            "throttledPeriods": cpu.throttled_periods,
            "throttledTime": cpu.throttled_ns,
        },
    }


def _memory(memory: MemoryStats) -> dict[str, Any]:
    return {
        "cache": memory.cache,
        "usage": {
            "limit": _UNLIMITED if memory.limit is None else memory.limit,
            "usage": memory.usage,
            "max": memory.max_usage,
            "failcnt": memory.failcnt,
        },
        "swap": {
            "limit": _UNLIMITED if memory.swap_limit is None else memory.swap_limit,
            "usage": memory.swap,
            "failcnt": 0,
        },
        "raw": dict(memory.stat),
    }


def _psi(stall: Stall | None) -> dict[str, Any]:
    """Averages in per cent, totals in microseconds; nothing where the kernel counts none."""
    if stall is None:
        return {}
    some = {"avg10": stall.some_avg10, "total": stall.some_us}
    full = {"avg10": stall.full_avg10, "total": stall.full_us}
    return {"psi": {"some": some, "full": full}}


def _block(devices: tuple[BlockStats, ...], what: str) -> list[dict[str, Any]]:
    return [
        {
            "major": device.major,
            "minor": device.minor,
            "op": direction.capitalize(),
            "value": getattr(device, f"{direction}_{what}"),
        }
        for device in devices
        for direction in ("read", "write")
    ]
