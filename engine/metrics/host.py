"""Sampling the host with psutil; a row is in the order of `history.HOST`."""

import os
import time
from typing import NamedTuple

import psutil

SLOW_EVERY = 5


class Totals(NamedTuple):
    """Counters since boot; `at` is monotonic, seconds."""

    at: float = 0.0
    cpu_busy: float = 0.0
    cpu_all: float = 0.0
    read: int = 0
    written: int = 0
    received: int = 0
    sent: int = 0


class Host:
    """One machine; `directory` is where the data directory's file system is looked at."""

    def __init__(self, directory: str = "/") -> None:
        self._directory = directory
        self._phase = 0
        self._disk: tuple[int, int] = (0, 0)
        self._pids = 0
        self.totals = Totals()
        self.cpus = psutil.cpu_count() or 1

    def read(self, now: float) -> tuple[float, ...]:
        """Take one sample; `now` is time.time()."""
        if self._phase % SLOW_EVERY == 0:
            self._read_slow()
        self._phase += 1
        old, new = self.totals, _totals()
        self.totals = new
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        cores, *rates = _rates(old, new, self.cpus)
        return (
            now,
            cores,
            self.cpus,
            *psutil.getloadavg(),
            memory.total - memory.available,
            memory.total,
            swap.used,
            self._pids,
            *rates,
            *self._disk,
        )

    def _read_slow(self) -> None:
        """What costs a walk: the processes, and the file system's own answer."""
        self._pids = len(psutil.pids())
        self.cpus = psutil.cpu_count() or 1
        try:
            usage = psutil.disk_usage(self._directory)
        except OSError:
            return
        self._disk = (usage.used, usage.total)


def _totals() -> Totals:
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # Guest time is counted in user time already (proc_stat(5)).
    everything = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    read, written = _disks()
    received, sent = _network()
    return Totals(time.monotonic(), everything - idle, everything, read, written, received, sent)


def _disks() -> tuple[int, int]:
    """Whole disks only, loop and RAM devices left out: they count again what a disk moves."""
    counters = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
    whole = [v for k, v in counters.items() if _is_whole_disk(k)]
    return sum(v.read_bytes for v in whole), sum(v.write_bytes for v in whole)


def _is_whole_disk(name: str) -> bool:
    """Partitions are not listed in /sys/block; loop, RAM, mapped and RAID devices are."""
    stacked = name.startswith(("loop", "ram", "zram", "dm-", "md"))
    return not stacked and os.path.isdir(f"/sys/block/{name}")


def _network() -> tuple[int, int]:
    """Interfaces that lead out: the loopback and the host's ends of containers' pairs are not."""
    counters = psutil.net_io_counters(pernic=True, nowrap=False) or {}
    outer = [v for k, v in counters.items() if k != "lo" and not k.startswith("veth")]
    return sum(v.bytes_recv for v in outer), sum(v.bytes_sent for v in outer)


def _rates(old: Totals, new: Totals, cpus: int) -> tuple[float, ...]:
    """Busy cores, then bytes a second read, written, received and sent; zeros at first."""
    seconds, ticks = new.at - old.at, new.cpu_all - old.cpu_all
    if not old.at or seconds <= 0:
        return (0.0, 0.0, 0.0, 0.0, 0.0)
    busy = (new.cpu_busy - old.cpu_busy) / ticks * cpus if ticks > 0 else 0.0
    moved = (b - a for a, b in zip(old[3:], new[3:], strict=True))
    return (min(max(busy, 0.0), float(cpus)), *(max(0, n) / seconds for n in moved))
