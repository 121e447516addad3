"""Statistics of one container: one reading, two, or one a second."""

import asyncio
import os
import time
from pathlib import Path

from aiohttp import web

from engine.containers.model import Container
from engine.dockerapi.call import Call
from engine.dockerapi.codec.stats import Reading, system_time_ns, write_stats
from engine.dockerapi.replies import JsonLines, reply
from engine.dockerapi.rooms import Containers
from engine.dockerapi.router import Router
from engine.errors import NotFound

INTERVAL = 1.0


class StatsRoutes:
    """`/containers/{id}/stats`."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers

    def register(self, router: Router) -> None:
        router.add("GET", "/containers/{id}/stats", self.stats, streams=True)

    async def stats(self, call: Call) -> web.StreamResponse:
        """A client that asks for one document gets two readings' worth, unless `one-shot`."""
        container = self._containers.get(call.args["id"])
        if call.flag("stream", default=True):
            return await self._stream(call, container)
        before = None
        if not call.flag("one-shot") and (before := self._read(container)) is not None:
            await asyncio.sleep(INTERVAL)
        return reply(write_stats(container, self._read(container), before))

    async def _stream(self, call: Call, container: Container) -> web.StreamResponse:
        """Goes on while the container exists: stopped, it has nothing in it, and may start."""
        lines = JsonLines(call.request)
        await lines.open()
        before = None
        due = time.monotonic()
        while True:
            try:
                container = self._containers.get(container.id)
                now = self._read(container)
            except NotFound:
                return lines.response
            await lines.send(write_stats(container, now, before))
            before = now
            due = max(due + INTERVAL, time.monotonic())
            await asyncio.sleep(due - time.monotonic())

    def _read(self, container: Container) -> Reading | None:
        stats = self._containers.statistics(container.id)
        if stats is None:
            return None
        cpus = os.cpu_count() or 1
        proc_stat = Path("/proc/stat").read_text()
        return Reading(stats, system_time_ns(proc_stat), cpus, host_memory())


def host_memory() -> int:
    """All memory of this machine, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
