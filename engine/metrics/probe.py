"""Sampling one container: its cgroup files, kept open, and its network's counters.

The files that change all the time are read at every sweep. memory.stat costs more than all of
them together and limits hardly change: those are read when the sampler says it is their turn.
"""

import time
from typing import NamedTuple

from engine.metrics import sources
from engine.metrics.history import NAN
from engine.metrics.sources import LARGE, File, field, number_or
from engine.runtime import processes, userns
from engine.runtime.cgroups import Layout, Manager, Pressure

# Kept open for one container at most: use, throttling, memory, pids, block I/O, network.
DESCRIPTORS = 6


class Counters(NamedTuple):
    """Totals since the container began, and what is in use; `at` is monotonic, seconds."""

    at: float = 0.0
    cpu_ns: int = 0
    periods: int = 0
    throttled: int = 0
    memory: int = 0
    pids: int = 0
    read: int = 0
    written: int = 0
    received: int = 0
    sent: int = 0


class Limits(NamedTuple):
    """What is read when `limits_due`, and the pressure with it; NaN is no limit."""

    cpu: float = NAN
    memory: float = NAN
    pids: float = NAN
    own_network: bool = False


class Slow(NamedTuple):
    """What is read when `stat_due`: bytes of the page cache, and processes killed."""

    inactive_file: int = 0
    cache: int = 0
    oom_kills: int = 0


class Probe:
    """Reads one container; a row is in the order of `history.CONTAINER`.

    `read` raises OSError when the cgroup is not there, or not there any more; `close` may be
    followed by another `read`, which opens everything again. Where no cgroup can be had (an engine
    without root), the figures are those of its processes, and block I/O is not known.
    """

    def __init__(self, layout: Layout, cgroup: str, pid: int, *, keep: bool) -> None:
        manager = Manager(layout, cgroup)
        self._pid = pid
        self._counted = not userns.rootless() or manager.counts_memory()
        self._cpu = _Cpu(manager, keep=keep)
        self._memory = _Memory(manager, keep=keep)
        self._pids = _Pids(manager, keep=keep)
        self._block = _Block(manager, keep=keep)
        # Read by opening it each time: a descriptor kept would keep the whole namespace alive.
        self._network = File(f"/proc/{pid}/net/dev", keep=False, size=LARGE)
        self.counters = Counters()
        self.limits = Limits()
        self.slow = Slow()
        self.pressure: Pressure | None = None
        self._read_pressure = manager.pressure
        self.limits_due = True
        self.stat_due = True

    def close(self) -> None:
        for part in (self._cpu, self._memory, self._pids, self._block):
            part.close()

    def read(self, now: float) -> tuple[float, ...]:
        """Take one sample; `now` is time.time()."""
        old = self.counters
        if self.limits_due:
            self._read_limits()
        if self.stat_due and self._counted:
            self.slow, self.stat_due = self._memory.read_slow(self.slow), False
        counted = self._read_counters() if self._counted else self._count_processes()
        new = self.counters = counted
        limits, slow = self.limits, self.slow
        cores, throttled, *rates = _rates(old, new) if old.at else _STILL
        return (
            now,
            cores,
            limits.cpu,
            throttled,
            max(0, new.memory - slow.inactive_file),
            slow.cache,
            limits.memory,
            new.pids,
            limits.pids,
            *rates,
            slow.oom_kills,
        )

    def _read_counters(self) -> Counters:
        limits = self.limits
        limited = limits.cpu == limits.cpu  # not NaN
        cpu = self._cpu.read(self.counters, throttling=limited)
        network = self._read_network() if limits.own_network else (0, 0)
        memory, pids, block = self._memory.read(), self._pids.read(), self._block.read()
        return Counters(time.monotonic(), *cpu, memory, pids, *block, *network)

    def _count_processes(self) -> Counters:
        used = processes.use(self._pid)
        network = self._read_network() if self.limits.own_network else (0, 0)
        now = time.monotonic()
        return Counters(now, used.cpu_ns, 0, 0, used.memory, used.threads, 0, 0, *network)

    def _read_network(self) -> tuple[int, int]:
        """The last totals when the process is gone; its cgroup is gone soon too."""
        try:
            return sources.network(self._network.read())
        except OSError:
            return self.counters.received, self.counters.sent

    def _read_limits(self) -> None:
        own_network = sources.own_network(self._pid)
        limits = (self._cpu.limit(), self._memory.limit(), self._pids.limit())
        self.limits, self.limits_due = Limits(*limits, own_network), False
        self.pressure = self._read_pressure()


_IDLE_NS = 1_000_000
_STILL = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def _rates(old: Counters, new: Counters) -> tuple[float, ...]:
    """Cores, throttled per cent, then bytes a second read, written, received and sent."""
    seconds = new.at - old.at
    if seconds <= 0:
        return _STILL
    periods = new.periods - old.periods
    return (
        max(0, new.cpu_ns - old.cpu_ns) / seconds / 1e9,
        100.0 * (new.throttled - old.throttled) / periods if periods > 0 else 0.0,
        (new.read - old.read) / seconds,
        (new.written - old.written) / seconds,
        max(0, new.received - old.received) / seconds,
        max(0, new.sent - old.sent) / seconds,
    )


class _Cpu:
    """Time used, periods and throttled periods."""

    def __init__(self, manager: Manager, *, keep: bool) -> None:
        limits, use = manager.find("cpu", "cpu"), manager.find("cpuacct", "")
        self._v1 = use is not None
        directory = limits[1] if limits else manager.unified
        self._directory, self._limit_v1 = directory, limits is not None and limits[0] == 1
        self._stat = File(f"{directory}/cpu.stat", keep=keep, size=1024) if directory else None
        self._usage = File(f"{use[1]}/cpuacct.usage", keep=keep) if use else None

    def read(self, old: Counters, *, throttling: bool) -> tuple[int, int, int]:
        """v1's cpu.stat is worth its price only where there is a quota, and some use of it."""
        if self._usage is not None:
            used = int(self._usage.read())
            idle = used - old.cpu_ns < _IDLE_NS
            if idle or not throttling or self._stat is None:
                return used, old.periods, old.throttled
            data = self._stat.read()
        elif self._stat is not None:
            data = self._stat.read()
            used = field(data, b"usage_usec ") * 1000
        else:
            return 0, 0, 0
        return used, field(data, b"nr_periods "), field(data, b"nr_throttled ")

    def limit(self) -> float:
        """Cores: quota over period."""
        if self._limit_v1:
            quota = number_or(sources.once(f"{self._directory}/cpu.cfs_quota_us"), NAN)
            return quota / number_or(sources.once(f"{self._directory}/cpu.cfs_period_us"), NAN)
        words = sources.once(f"{self._directory}/cpu.max").split()
        return int(words[0]) / int(words[1]) if words and words[0] != b"max" else NAN

    def close(self) -> None:
        _close(self._stat, self._usage)


class _Memory:
    """Usage; and slowly the limit, what is cached, and the processes killed for memory."""

    def __init__(self, manager: Manager, *, keep: bool) -> None:
        found = manager.find("memory", "memory")
        self._v1 = found is not None and found[0] == 1
        self._directory = found[1] if found else None
        self._usage_then = b""
        name = "memory.usage_in_bytes" if self._v1 else "memory.current"
        self._usage = File(f"{self._directory}/{name}", keep=keep) if found else None

    def read(self) -> int:
        return int(self._usage.read()) if self._usage is not None else 0

    def limit(self) -> float:
        name = "memory.limit_in_bytes" if self._v1 else "memory.max"
        return number_or(sources.once(f"{self._directory}/{name}"), NAN)

    def read_slow(self, old: Slow) -> Slow:
        """memory.stat is left alone while the usage is what it was when it was read."""
        if self._directory is None or self._usage is None:
            return old
        events = "memory.oom_control" if self._v1 else "memory.events"
        kills = field(sources.once(f"{self._directory}/{events}"), b"\noom_kill ")
        usage = self._usage.read()
        if usage == self._usage_then:
            return old._replace(oom_kills=kills)
        self._usage_then = usage
        stat = sources.once(f"{self._directory}/memory.stat")
        prefix, cache = (b"\ntotal_", b"\ntotal_cache ") if self._v1 else (b"\n", b"\nfile ")
        return Slow(field(stat, prefix + b"inactive_file "), field(stat, cache), kills)

    def close(self) -> None:
        _close(self._usage)


class _Pids:
    def __init__(self, manager: Manager, *, keep: bool) -> None:
        found = manager.find("pids", "pids")
        self._directory = found[1] if found else None
        self._current = File(f"{self._directory}/pids.current", keep=keep) if found else None

    def read(self) -> int:
        return int(self._current.read()) if self._current is not None else 0

    def limit(self) -> float:
        return number_or(sources.once(f"{self._directory}/pids.max"), NAN)

    def close(self) -> None:
        _close(self._current)


class _Block:
    """Bytes read and written; a kernel that does not count them says nothing, which is zero."""

    def __init__(self, manager: Manager, *, keep: bool) -> None:
        found = manager.find("blkio", "io")
        v1 = found is not None and found[0] == 1
        name = "blkio.throttle.io_service_bytes_recursive" if v1 else "io.stat"
        self._stat = File(f"{found[1]}/{name}", keep=keep, size=LARGE) if found else None
        self._parse = sources.block_v1 if v1 else sources.block_v2

    def read(self) -> tuple[int, int]:
        if self._stat is None:
            return 0, 0
        try:
            return self._parse(self._stat.read())
        except FileNotFoundError:
            self._stat = None
            return 0, 0

    def close(self) -> None:
        _close(self._stat)


def _close(*files: File | None) -> None:
    for file in files:
        if file is not None:
            file.close()
