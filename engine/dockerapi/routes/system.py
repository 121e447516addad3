"""The engine itself: ping, version, info, disk use, events."""

from http import HTTPStatus

from aiohttp import web

from engine.containers.filters import Filters as ContainerFilters
from engine.dockerapi.call import Call
from engine.dockerapi.codec.event import write_event
from engine.dockerapi.codec.image import write_image_summary
from engine.dockerapi.codec.info import write_info, write_version
from engine.dockerapi.codec.summary import write_summary
from engine.dockerapi.codec.times import parse
from engine.dockerapi.replies import HEADERS, JsonLines, reply
from engine.dockerapi.rooms import Rooms
from engine.dockerapi.router import Router
from engine.dockerapi.routes.images import count_users
from engine.errors import InvalidArgument
from engine.events import Filters

_NO_CACHE = {"Cache-Control": "no-cache, no-store, must-revalidate", "Pragma": "no-cache"}
_PARTS = ("container", "image", "volume", "build-cache")


class SystemRoutes:
    """Everything that is about no single object."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def register(self, router: Router) -> None:
        router.add("GET", "/_ping", self.ping)
        router.add("HEAD", "/_ping", self.ping)
        router.add("GET", "/version", self.version)
        router.add("GET", "/info", self.info)
        router.add("GET", "/system/df", self.disk_use)
        router.add("GET", "/events", self.events, streams=True)

    async def ping(self, call: Call) -> web.Response:
        """Every client's first request: it learns the API version from the headers."""
        headers = {**HEADERS, **_NO_CACHE, "Builder-Version": "", "Swarm": "inactive"}
        body = b"" if call.request.method == "HEAD" else b"OK"
        return web.Response(
            body=body, status=HTTPStatus.OK, headers=headers, content_type="text/plain"
        )

    async def version(self, call: Call) -> web.Response:
        return reply(write_version())

    async def info(self, call: Call) -> web.Response:
        containers = self._rooms.containers.list(ContainerFilters({}), all=True)
        return reply(write_info(self._rooms.facts, containers, len(self._rooms.images.list())))

    async def disk_use(self, call: Call) -> web.Response:
        parts = call.texts("type") or list(_PARTS)
        for part in parts:
            if part not in _PARTS:
                raise InvalidArgument(f"type: unknown object type {part!r}")
        document = {"LayersSize": self._rooms.layers_size(), "BuilderSize": 0}
        return reply(
            document
            | {
                "Images": self._image_use() if "image" in parts else None,
                "Containers": await self._container_use() if "container" in parts else None,
                "Volumes": [] if "volume" in parts else None,
                "BuildCache": [] if "build-cache" in parts else None,
            }
        )

    async def events(self, call: Call) -> web.StreamResponse:
        """Subscribed before the head leaves, so that a client that has the head misses nothing."""
        since, until = call.text("since"), call.text("until")
        subscription = self._rooms.events.subscribe(
            Filters(call.filters()),
            parse("since", since) if since else None,
            parse("until", until) if until else None,
        )
        lines = JsonLines(call.request)
        async with subscription:
            await lines.open()
            async for event in subscription:
                await lines.send(write_event(event))
        return lines.response

    def _image_use(self) -> list[dict[str, object]]:
        users = count_users(self._rooms.containers)
        return [
            write_image_summary(image, users[str(image.id)]) | {"SharedSize": 0}
            for image in self._rooms.images.list()
        ]

    async def _container_use(self) -> list[dict[str, object]]:
        service = self._rooms.containers
        return [
            write_summary(
                container,
                container.config.image or container.image_id,
                await service.size(container.id),
            )
            for container in service.list(ContainerFilters({}), all=True)
        ]
