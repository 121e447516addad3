"""One reading of a cgroup, the same shape whatever the hierarchy."""

from typing import NamedTuple


class CpuStats(NamedTuple):
    """Nanoseconds since the cgroup was made; `per_cpu` is empty on v2."""

    total_ns: int = 0
    user_ns: int = 0
    system_ns: int = 0
    per_cpu_ns: tuple[int, ...] = ()
    periods: int = 0
    throttled_periods: int = 0
    throttled_ns: int = 0


class MemoryStats(NamedTuple):
    """Bytes. `working_set` is usage less what is cached and idle, as the kubelet counts it.

    `limit` and `swap_limit` are None where there is none; `swap_*` is swap alone. `stat` is the
    kernel's memory.stat; the docker CLI tells v1 from v2 by its keys.
    """

    stat: dict[str, int]
    usage: int = 0
    working_set: int = 0
    cache: int = 0
    limit: int | None = None
    max_usage: int = 0
    failcnt: int = 0
    swap: int = 0
    swap_limit: int | None = None


class BlockStats(NamedTuple):
    """What one device moved for this cgroup since it was made."""

    major: int
    minor: int
    read_bytes: int = 0
    write_bytes: int = 0
    read_ops: int = 0
    write_ops: int = 0


class PidsStats(NamedTuple):
    current: int = 0
    limit: int | None = None


class Stall(NamedTuple):
    """Time that some, or all, of the processes waited for one thing they could not do without.

    `avg10` is per cent of the last ten seconds, `us` microseconds since the cgroup was made.
    """

    some_avg10: float = 0.0
    some_us: int = 0
    full_avg10: float = 0.0
    full_us: int = 0


class Pressure(NamedTuple):
    cpu: Stall
    memory: Stall
    io: Stall


class Stats(NamedTuple):
    """Everything; `time_ns` is the wall clock at the reading."""

    time_ns: int
    version: int
    cpu: CpuStats
    memory: MemoryStats
    pids: PidsStats
    block: tuple[BlockStats, ...]
    oom_kills: int
    pressure: Pressure | None = None  # where the kernel counts it (cgroup v2, also beside v1)
