"""What moves a container from one state to the next, and waiting for it."""

from http import HTTPStatus
from typing import get_args

from aiohttp import web

from engine.dockerapi.call import Call
from engine.dockerapi.replies import JsonLines, empty
from engine.dockerapi.rooms import Condition, Containers
from engine.dockerapi.router import Router
from engine.errors import InvalidArgument

MAX_TERMINAL = 65535


class LifecycleRoutes:
    """`/containers/{id}/<verb>`."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers

    def register(self, router: Router) -> None:
        for verb in (
            self.start,
            self.stop,
            self.restart,
            self.kill,
            self.pause,
            self.unpause,
            self.resize,
        ):
            router.add("POST", f"/containers/{{id}}/{verb.__name__}", verb)
        router.add("POST", "/containers/{id}/wait", self.wait, streams=True)

    async def start(self, call: Call) -> web.Response:
        return _changed(await self._containers.start(call.args["id"]))

    async def stop(self, call: Call) -> web.Response:
        return _changed(
            await self._containers.stop(
                call.args["id"], call.integer("t"), call.text("signal") or None
            )
        )

    async def restart(self, call: Call) -> web.Response:
        await self._containers.restart(
            call.args["id"], call.integer("t"), call.text("signal") or None
        )
        return empty()

    async def kill(self, call: Call) -> web.Response:
        await self._containers.kill(call.args["id"], call.text("signal") or "SIGKILL")
        return empty()

    async def pause(self, call: Call) -> web.Response:
        await self._containers.pause(call.args["id"])
        return empty()

    async def unpause(self, call: Call) -> web.Response:
        await self._containers.unpause(call.args["id"])
        return empty()

    async def resize(self, call: Call) -> web.Response:
        height, width = terminal_size(call)
        await self._containers.resize(call.args["id"], height, width)
        return empty(HTTPStatus.OK)

    async def wait(self, call: Call) -> web.StreamResponse:
        """The head leaves at once: the client starts the container only when it has seen it."""
        condition = _condition(call)
        result = self._containers.wait(call.args["id"], condition)
        lines = JsonLines(call.request)
        await lines.open()
        ended = await result
        # A removal that ends a failed start is no failure; who started it has had the reason.
        failed = ended.error and condition != "removed"
        error = {"Error": {"Message": ended.error}} if failed else {}
        await lines.send({"StatusCode": ended.code, **error})
        return lines.response


def terminal_size(call: Call) -> tuple[int, int]:
    """Height and width from the query.

    Raises:
        InvalidArgument: one is missing or no terminal can have it.
    """
    sizes = []
    for name in ("h", "w"):
        value = call.integer(name)
        if value is None or not 0 <= value <= MAX_TERMINAL:
            raise InvalidArgument(f"{name}: must be between 0 and {MAX_TERMINAL}")
        sizes.append(value)
    return sizes[0], sizes[1]


def _changed(changed: bool) -> web.Response:
    return empty(HTTPStatus.NO_CONTENT if changed else HTTPStatus.NOT_MODIFIED)


def _condition(call: Call) -> Condition:
    value = call.text("condition") or "not-running"
    for condition in get_args(Condition):
        if value == condition:
            return condition  # type: ignore[no-any-return]
    raise InvalidArgument(f"invalid condition: {value!r}")
