"""One reading of a container's cgroup as `docker stats` wants it.

Clients subtract `precpu_stats` from `cpu_stats` and divide by the growth of `system_cpu_usage`,
which is the time of all processors together, so that the quotient times `online_cpus` is cores.
"""

import os
from dataclasses import dataclass
from itertools import chain
from typing import Any

from engine.containers.model import Container
from engine.dockerapi.codec.times import NEVER, rfc3339
from engine.runtime.cgroups.stats import BlockStats, CpuStats, MemoryStats, PidsStats, Stats

NO_LIMIT = 2**64 - 1
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Reading:
    """A cgroup's figures and the machine's processor time (ns), taken together."""

    stats: Stats
    system_ns: int
    cpus: int
    host_memory: int


def write_stats(container: Container, now: Reading | None, before: Reading | None) -> Any:
    """The whole document; a container that is not running has only its name and empty parts."""
    return {
        "id": container.id,
        "name": f"/{container.name}",
        "read": NEVER if now is None else rfc3339(now.stats.time_ns),
        "preread": NEVER if before is None else rfc3339(before.stats.time_ns),
        "num_procs": 0,
        "storage_stats": {},
        "pids_stats": {} if now is None else _pids(now.stats.pids),
        "blkio_stats": _block(() if now is None else now.stats.block),
        "cpu_stats": _cpu(now),
        "precpu_stats": _cpu(before),
        "memory_stats": {} if now is None else _memory(now.stats, now.host_memory),
    }


def system_time_ns(proc_stat: str) -> int:
    """Processor time spent since boot by all processors: the first line of /proc/stat.

    Guest time is left out: the kernel counts it in user time already (proc_stat(5)).
    """
    first = proc_stat.split("\n", 1)[0].split()
    return sum(int(value) for value in first[1:9]) * _TICK_NS


def _cpu(reading: Reading | None) -> dict[str, Any]:
    cpu = CpuStats() if reading is None else reading.stats.cpu
    usage: dict[str, Any] = {
        "total_usage": cpu.total_ns,
        "usage_in_kernelmode": cpu.system_ns,
        "usage_in_usermode": cpu.user_ns,
    }
    if cpu.per_cpu_ns:
        usage["percpu_usage"] = list(cpu.per_cpu_ns)
    document: dict[str, Any] = {"cpu_usage": usage}
    if reading is not None:
        document |= {"system_cpu_usage": reading.system_ns, "online_cpus": reading.cpus}
    document["throttling_data"] = {
        "periods": cpu.periods,
        "throttled_periods": cpu.throttled_periods,
        "throttled_time": cpu.throttled_ns,
    }
    return document


def _memory(stats: Stats, host_memory: int) -> dict[str, Any]:
    """v1 also has the peak and the failures; clients tell v1 from v2 by the keys of `stats`."""
    memory: MemoryStats = stats.memory
    document: dict[str, Any] = {
        "usage": memory.usage,
        "stats": dict(memory.stat),
        "limit": host_memory if memory.limit is None else min(memory.limit, host_memory),
    }
    if stats.version == 1:
        document |= {"max_usage": memory.max_usage, "failcnt": memory.failcnt}
    return document


def _pids(pids: PidsStats) -> dict[str, int]:
    return {"current": pids.current, "limit": NO_LIMIT if pids.limit is None else pids.limit}


def _block(devices: tuple[BlockStats, ...]) -> dict[str, Any]:
    moved = [_entries(d, (("read", d.read_bytes), ("write", d.write_bytes))) for d in devices]
    served = [_entries(d, (("read", d.read_ops), ("write", d.write_ops))) for d in devices]
    return {
        "io_service_bytes_recursive": list(chain(*moved)) or None,
        "io_serviced_recursive": list(chain(*served)) or None,
        "io_queue_recursive": None,
        "io_service_time_recursive": None,
        "io_wait_time_recursive": None,
        "io_merged_recursive": None,
        "io_time_recursive": None,
        "sectors_recursive": None,
    }


def _entries(device: BlockStats, values: tuple[tuple[str, int], ...]) -> list[dict[str, Any]]:
    place = {"major": device.major, "minor": device.minor}
    return [{**place, "op": operation, "value": value} for operation, value in values]
