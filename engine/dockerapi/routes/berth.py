"""What Docker's API has no word for, under `/berth/v1`, and Prometheus' `/metrics`."""

import asyncio
import os
from collections.abc import Awaitable

from aiohttp import web

from engine.dockerapi import versions
from engine.dockerapi.call import Call
from engine.dockerapi.replies import HEADERS, JsonLines, reply
from engine.dockerapi.rooms import Rooms
from engine.dockerapi.router import Router
from engine.errors import EngineError, InvalidArgument, NotFound
from engine.images.model import Image
from engine.metrics import CONTENT_TYPE

FEATURES = ("history", "metrics-stream", "from-host")


class BerthRoutes:
    """`/berth/v1/…`: a client asks `info` once and does without what is not in `features`."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def register(self, router: Router) -> None:
        router.add("GET", "/berth/v1/info", self.info)
        router.add("GET", "/berth/v1/metrics/history", self.history)
        router.add("GET", "/berth/v1/metrics/stream", self.stream, streams=True)
        router.add("POST", "/berth/v1/images/from-host", self.from_host, streams=True)
        router.add("GET", "/metrics", self.metrics)

    async def info(self, call: Call) -> web.Response:
        facts = self._rooms.facts
        return reply(
            {
                "version": versions.ENGINE,
                "features": list(FEATURES),
                "pid": os.getpid(),
                "started_at": facts.started_at // 1_000_000_000,
                "data_dir": str(facts.data_dir),
                "cgroup": facts.cgroup_mode,
                "warnings": list(facts.warnings()),
            }
        )

    async def history(self, call: Call) -> web.Response:
        """A container that has not run yet has no columns."""
        ref = call.text("container")
        container_id = self._rooms.containers.get(ref).id if ref else None
        sampler = self._rooms.sampler
        try:
            columns = sampler.history(container_id)
        except NotFound:
            columns = {}
        return reply({"interval": sampler.interval, "columns": columns})

    async def stream(self, call: Call) -> web.StreamResponse:
        lines = JsonLines(call.request)
        sweeps = self._rooms.sampler.subscribe()
        await lines.open()
        async for sweep in sweeps:
            document = {"t": sweep.t, "host": sweep.host, "containers": sweep.containers}
            await lines.send(document)
        return lines.response

    async def metrics(self, call: Call) -> web.Response:
        headers = {**HEADERS, "Content-Type": CONTENT_TYPE}
        return web.Response(body=self._rooms.sampler.prometheus().encode(), headers=headers)

    async def from_host(self, call: Call) -> web.StreamResponse:
        """Progress as it comes, then the image's id, or the error in-band."""
        fields = await call.json()
        programs, reference = fields.texts("programs"), fields.text("reference")
        if not programs:
            raise InvalidArgument("programs: name at least one program of this host")
        if not reference:
            raise InvalidArgument("reference: the image's name is missing")
        lines, progress = JsonLines(call.request), _Progress()
        work = self._rooms.images.from_host(programs, reference, progress.say)
        await lines.open()
        try:
            image = await progress.relay(work, lines)
        except ConnectionError:
            raise  # the client went away
        except (EngineError, OSError) as error:
            await lines.fail(str(error))
        else:
            await lines.send({"aux": {"ID": str(image.id)}})
        return lines.response


class _Progress:
    """Lines from whatever thread the work runs in, sent by the one that serves the client."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._said: asyncio.Queue[str | None] = asyncio.Queue()

    def say(self, line: str) -> None:
        self._loop.call_soon_threadsafe(self._said.put_nowait, line)

    async def relay(self, work: Awaitable[Image], lines: JsonLines) -> Image:
        """Run the work and send what it says meanwhile; when the client goes, stop both."""
        task = asyncio.ensure_future(work)
        task.add_done_callback(lambda _: self._said.put_nowait(None))
        try:
            while (line := await self._said.get()) is not None:
                await lines.send({"stream": f"{line.rstrip()}\n"})
            return await task
        finally:
            task.cancel()
