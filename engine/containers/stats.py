"""stats and size: what a container uses now."""

import asyncio
import time
from functools import cache
from typing import Any

from engine.containers.context import Context
from engine.containers.live import Live
from engine.containers.model import Size
from engine.errors import NotFound
from engine.runtime import processes, userns
from engine.runtime.cgroups import (
    CpuStats,
    Layout,
    Manager,
    MemoryStats,
    PidsStats,
    Resources,
    Stats,
    detect,
)


def statistics(live: Live) -> Stats | None:
    """One reading of the cgroup; None when the container does not run."""
    monitor = live.monitor
    if monitor is None or not live.running:
        return None
    manager = Manager(_layout(), monitor.cgroup)
    if userns.rootless() and not manager.counts_memory():
        return _of_processes(monitor.pid)
    return manager.stats()


def pids(live: Live) -> list[int]:
    """Host pids of every process of a running container."""
    monitor = live.monitor
    if monitor is None:
        return []
    manager = Manager(_layout(), monitor.cgroup)
    if userns.rootless() and not manager.exists():
        return processes.pids(monitor.pid)
    return manager.pids()


def _of_processes(pid: int) -> Stats | None:
    """The little that is known of a container without a cgroup."""
    try:
        used = processes.use(pid)
    except ProcessLookupError:
        return None  # it has just ended
    return Stats(
        time_ns=time.time_ns(),
        version=1,
        cpu=CpuStats(total_ns=used.cpu_ns),
        memory=MemoryStats(stat={}, usage=used.memory, working_set=used.memory),
        pids=PidsStats(current=used.threads),
        block=(),
        oom_kills=0,
    )


def unlimited(limits: dict[str, Any]) -> tuple[str, ...]:
    """Docker's words for each limit (OCI's `linux.resources`) that nothing here enforces."""
    return tuple(Manager(_layout(), "berth").discarded(Resources.from_oci(limits)))


async def size(context: Context, live: Live) -> Size:
    """Bytes in the writable layer, and with the image's below it."""
    try:
        used = (await asyncio.to_thread(context.images.usage, live.id))[0]
    except NotFound:
        used = 0  # never started: it has no writable layer yet
    try:
        image = context.images.resolve(live.record.image_id).size
    except NotFound:
        image = 0
    return Size(used, used + image)


@cache
def _layout() -> Layout:
    """The hierarchies do not change while the machine runs."""
    return detect()
