"""stats and size: what a container uses now."""

import asyncio
from functools import cache

from engine.containers.context import Context
from engine.containers.live import Live
from engine.containers.model import Size
from engine.errors import NotFound
from engine.runtime.cgroups import Layout, Manager, Stats, detect


def statistics(live: Live) -> Stats | None:
    """One reading of the cgroup; None when the container does not run."""
    monitor = live.monitor
    if monitor is None or not live.running:
        return None
    return Manager(_layout(), monitor.cgroup).stats()


def pids(live: Live) -> list[int]:
    """Host pids of every process of a running container."""
    monitor = live.monitor
    return [] if monitor is None else Manager(_layout(), monitor.cgroup).pids()


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
