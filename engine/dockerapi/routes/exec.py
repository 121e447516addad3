"""Exec: another program in a running container."""

from http import HTTPStatus

from aiohttp import web

from engine.dockerapi.call import Call
from engine.dockerapi.codec.exec import read_exec, write_exec
from engine.dockerapi.frames import frame, media_type
from engine.dockerapi.hijack import Hijacked, hijack, join
from engine.dockerapi.replies import empty, reply
from engine.dockerapi.rooms import Containers
from engine.dockerapi.router import Router
from engine.dockerapi.routes.lifecycle import terminal_size
from engine.errors import InvalidArgument, RuntimeFailure, Unsupported


class ExecRoutes:
    """`/containers/{id}/exec` and `/exec/{id}`."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers

    def register(self, router: Router) -> None:
        router.add("POST", "/containers/{id}/exec", self.create)
        router.add("POST", "/exec/{id}/start", self.start, streams=True)
        router.add("POST", "/exec/{id}/resize", self.resize)
        router.add("GET", "/exec/{id}/json", self.inspect)

    async def create(self, call: Call) -> web.Response:
        config = read_exec(await call.json())
        session = self._containers.exec_create(call.args["id"], config)
        return reply({"Id": session}, HTTPStatus.CREATED)

    async def inspect(self, call: Call) -> web.Response:
        return reply(write_exec(self._containers.exec_inspect(call.args["id"])))

    async def resize(self, call: Call) -> web.Response:
        height, width = terminal_size(call)
        await self._containers.exec_resize(call.args["id"], height, width)
        return empty(HTTPStatus.OK)

    async def start(self, call: Call) -> web.StreamResponse:
        fields = await call.json()
        session = self._containers.exec_inspect(call.args["id"])
        size = fields.pair("ConsoleSize") if "ConsoleSize" in fields else None
        if fields.flag("Detach"):
            await self._containers.exec_start(session.id, detach=True, tty_size=size)
            return empty(HTTPStatus.OK)
        return await self._attached(call, session.id, size)

    async def _attached(
        self, call: Call, exec_id: str, size: tuple[int, int] | None
    ) -> web.StreamResponse:
        """A program that cannot be run is told in the stream: clients show no other error here."""
        config = self._containers.exec_inspect(exec_id).config
        media = media_type(config.tty, call.version)
        try:
            stream = await self._containers.exec_start(exec_id, tty_size=size)
        except (RuntimeFailure, InvalidArgument, Unsupported) as error:
            message = f"{error}\r\n".encode()
            async with hijack(call.request, media) as connection:
                await connection.write(message if config.tty else frame(2, message))
            return Hijacked()
        assert stream is not None
        try:
            async with hijack(call.request, media) as connection:
                await join(connection, stream, tty=config.tty, stdin=config.attach_stdin)
        finally:
            await stream.close()
        return Hijacked()
