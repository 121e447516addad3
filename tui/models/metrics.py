"""One reading of a container's cgroup, and one of the host."""

from dataclasses import dataclass


def _percent(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else 100.0 * part / whole


@dataclass(frozen=True, slots=True)
class Sample:
    """One second of one container; ``None`` is "no limit" for limits, else "not measured".

    ``memory_bytes`` is the working set (usage without inactive page cache), the figure the
    kernel must find room for; ``throttled_percent`` is the share of CPU periods cut short.
    """

    t: float
    cpu_cores: float | None = None
    cpu_limit: float | None = None
    throttled_percent: float | None = None
    memory_bytes: float | None = None
    memory_cache: float | None = None
    memory_limit: float | None = None
    pids: float | None = None
    pids_limit: float | None = None
    block_read_bps: float | None = None
    block_write_bps: float | None = None
    net_rx_bps: float | None = None
    net_tx_bps: float | None = None
    oom_kills: float | None = None

    @property
    def cpu_percent(self) -> float | None:
        """CPU as a share of its own limit; None without a limit."""
        return _percent(self.cpu_cores, self.cpu_limit)

    @property
    def memory_percent(self) -> float | None:
        """Working set as a share of the limit; None without a limit."""
        return _percent(self.memory_bytes, self.memory_limit)


@dataclass(frozen=True, slots=True)
class HostSample:
    """One second of the machine the engine runs on."""

    t: float
    cpu_cores: float | None = None
    cpu_total: float | None = None
    load1: float | None = None
    load5: float | None = None
    load15: float | None = None
    memory_bytes: float | None = None
    memory_limit: float | None = None
    swap_bytes: float | None = None
    pids: float | None = None
    block_read_bps: float | None = None
    block_write_bps: float | None = None
    net_rx_bps: float | None = None
    net_tx_bps: float | None = None
    disk_bytes: float | None = None
    disk_limit: float | None = None

    @property
    def cpu_percent(self) -> float | None:
        """Busy share of all cores."""
        return _percent(self.cpu_cores, self.cpu_total)

    @property
    def memory_percent(self) -> float | None:
        """Used share of all memory."""
        return _percent(self.memory_bytes, self.memory_limit)

    @property
    def disk_percent(self) -> float | None:
        """Used share of the engine's file system."""
        return _percent(self.disk_bytes, self.disk_limit)
