"""The host's figures read here, for an engine on this machine that does not serve them."""

import time
from collections.abc import Callable

import psutil

from tui.models import HostSample


class LocalHost:
    """Rates are between two readings, so the first has none."""

    def __init__(self, data_dir: str) -> None:
        self._data_dir = data_dir
        self._before: tuple[float, dict[str, float]] | None = None

    def read(self) -> HostSample:
        """One reading; a few milliseconds of /proc, so call it in a thread."""
        now = time.time()
        counters = _counters()
        rates = self._rates(now, counters)
        memory = psutil.virtual_memory()
        load = psutil.getloadavg()
        disk = _disk(self._data_dir)
        return HostSample(
            t=now,
            cpu_cores=rates("cpu"),
            cpu_total=psutil.cpu_count() or 1,
            load1=load[0],
            load5=load[1],
            load15=load[2],
            memory_bytes=memory.total - memory.available,
            memory_limit=memory.total,
            swap_bytes=psutil.swap_memory().used,
            pids=len(psutil.pids()),
            block_read_bps=rates("read"),
            block_write_bps=rates("write"),
            net_rx_bps=rates("received"),
            net_tx_bps=rates("sent"),
            disk_bytes=disk[0],
            disk_limit=disk[1],
        )

    def _rates(self, now: float, counters: dict[str, float]) -> Callable[[str], float | None]:
        before, self._before = self._before, (now, counters)
        if before is None or now <= before[0]:
            return lambda _name: None
        seconds, earlier = now - before[0], before[1]
        return lambda name: max(0.0, counters[name] - earlier[name]) / seconds


def _counters() -> dict[str, float]:
    cpu = psutil.cpu_times()
    disk = psutil.disk_io_counters()
    net = psutil.net_io_counters()
    return {
        "cpu": sum(cpu[:8]) - cpu.idle - getattr(cpu, "iowait", 0.0),
        "read": float(disk.read_bytes) if disk else 0.0,
        "write": float(disk.write_bytes) if disk else 0.0,
        "received": float(net.bytes_recv),
        "sent": float(net.bytes_sent),
    }


def _disk(path: str) -> tuple[float | None, float | None]:
    try:
        usage = psutil.disk_usage(path or "/")
    except OSError:
        return None, None
    return float(usage.used), float(usage.total)
