"""Attach: the container's streams on the client's own connection."""

from aiohttp import web

from engine.containers.model import AttachOptions
from engine.dockerapi.call import Call
from engine.dockerapi.frames import media_type
from engine.dockerapi.hijack import Hijacked, hijack, join
from engine.dockerapi.rooms import Containers
from engine.dockerapi.router import Router


class AttachRoutes:
    """`/containers/{id}/attach`."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers

    def register(self, router: Router) -> None:
        router.add("POST", "/containers/{id}/attach", self.attach, streams=True)

    async def attach(self, call: Call) -> web.StreamResponse:
        """Clients attach before they start, so the stream may wait for its container."""
        container = self._containers.get(call.args["id"])
        config = container.config
        options = AttachOptions(
            stdin=call.flag("stdin") and config.open_stdin,
            stdout=call.flag("stdout"),
            stderr=call.flag("stderr"),
            stream=call.flag("stream"),
            logs=call.flag("logs"),
        )
        stream = await self._containers.attach(container.id, options)
        try:
            async with hijack(call.request, media_type(config.tty, call.version)) as connection:
                await join(connection, stream, tty=config.tty, stdin=options.stdin)
        finally:
            await stream.close()
        return Hijacked()
