"""Docker's stats documents to ``Sample``: two readings make one second of rates.

Follows the formulas of the docker CLI (``calculateCPUPercentUnix``), but in cores instead of a
percentage, and subtracts inactive page cache from memory on cgroup v1 and v2 alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tui.clients.docker.values import number, rows, section, timestamp
from tui.models import Sample

Json = Mapping[str, Any]
NANO = 1_000_000_000
UNLIMITED = 1 << 62
"""cgroup v1 reports 'no memory limit' as a number about this big; v2 engines as 0."""


@dataclass(frozen=True, slots=True)
class _Counters:
    t: float
    cpu_ns: int
    periods: int
    throttled: int
    block_read: int
    block_write: int
    received: int
    sent: int


def sample(data: Json, earlier: Json | None = None, *, host_memory: int | None = None) -> Sample:
    """The sample of one document; rates need ``earlier``, else the document's own ``precpu``.

    ``host_memory`` tells a limit from dockerd's habit of reporting the host's size as one.
    """
    memory, pids = section(data, "memory_stats"), section(data, "pids_stats")
    usage, cache = number(memory, "usage"), _inactive(section(memory, "stats"))
    base = Sample(
        t=timestamp(data.get("read")) or 0.0,
        memory_bytes=max(0, usage - cache) if memory else None,
        memory_cache=_cache(section(memory, "stats")),
        memory_limit=_memory_limit(number(memory, "limit"), host_memory),
        pids=number(pids, "current") if pids else None,
        pids_limit=_bounded(number(pids, "limit")),
    )
    return _with_rates(base, _counters(data), _counters(earlier) if earlier else None, data)


def is_live(data: Json) -> bool:
    """Whether a document measures a running container; dockerd sends empty ones for others."""
    return bool(section(data, "memory_stats")) or bool(section(data, "pids_stats"))


def _with_rates(base: Sample, now: _Counters, before: _Counters | None, data: Json) -> Sample:
    if before is None or now.t <= before.t:
        return replace(base, cpu_cores=_own_cpu(data))
    seconds = now.t - before.t
    periods = now.periods - before.periods
    throttled = now.throttled - before.throttled
    return replace(
        base,
        cpu_cores=max(0, now.cpu_ns - before.cpu_ns) / NANO / seconds,
        throttled_percent=100.0 * throttled / periods if periods > 0 else 0.0,
        block_read_bps=max(0, now.block_read - before.block_read) / seconds,
        block_write_bps=max(0, now.block_write - before.block_write) / seconds,
        net_rx_bps=max(0, now.received - before.received) / seconds,
        net_tx_bps=max(0, now.sent - before.sent) / seconds,
    )


def _own_cpu(data: Json) -> float | None:
    """Cores from the document's own pair of readings; None for the stream's first one."""
    now, before = section(data, "cpu_stats"), section(data, "precpu_stats")
    system = number(now, "system_cpu_usage") - number(before, "system_cpu_usage")
    used = _cpu_total(now) - _cpu_total(before)
    if system <= 0 or used < 0 or not number(before, "system_cpu_usage"):
        return None
    return used / system * (number(now, "online_cpus") or 1)


def _cpu_total(cpu: Json) -> int:
    return number(section(cpu, "cpu_usage"), "total_usage")


def _counters(data: Json) -> _Counters:
    cpu = section(data, "cpu_stats")
    throttling = section(cpu, "throttling_data")
    networks = section(data, "networks")
    reads, writes = _block(section(data, "blkio_stats"))
    return _Counters(
        t=timestamp(data.get("read")) or 0.0,
        cpu_ns=_cpu_total(cpu),
        periods=number(throttling, "periods"),
        throttled=number(throttling, "throttled_periods"),
        block_read=reads,
        block_write=writes,
        received=sum(number(section(networks, name), "rx_bytes") for name in networks),
        sent=sum(number(section(networks, name), "tx_bytes") for name in networks),
    )


def _block(blkio: Json) -> tuple[int, int]:
    totals = {"read": 0, "write": 0}
    for entry in rows(blkio, "io_service_bytes_recursive"):
        word = str(entry.get("op", "")).lower()
        if word in totals:
            totals[word] += number(entry, "value")
    return totals["read"], totals["write"]


def _inactive(stats: Json) -> int:
    return number(stats, "total_inactive_file") or number(stats, "inactive_file")


def _cache(stats: Json) -> int:
    return number(stats, "total_cache") or number(stats, "cache") or number(stats, "file")


def _bounded(value: int) -> int | None:
    return value if 0 < value < UNLIMITED else None


def _memory_limit(value: int, host_memory: int | None) -> int | None:
    if host_memory is not None and value >= host_memory:
        return None
    return _bounded(value)
