"""Images by name: list, inspect, history, tag, remove, prune."""

from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from engine.containers.filters import Filters as ContainerFilters
from engine.dockerapi.call import Call
from engine.dockerapi.codec.image import (
    write_history,
    write_image,
    write_image_summary,
    write_removed,
)
from engine.dockerapi.image_filters import ImageFilters
from engine.dockerapi.replies import empty, reply
from engine.dockerapi.rooms import Containers, Images
from engine.dockerapi.router import Router
from engine.errors import Conflict, InvalidArgument
from engine.images.model import Image, Removed


class ImageRoutes:
    """`/images`, but for what brings images in."""

    def __init__(self, images: Images, containers: Containers) -> None:
        self._images = images
        self._containers = containers

    def register(self, router: Router) -> None:
        router.add("GET", "/images/json", self.list)
        router.add("POST", "/images/prune", self.prune)
        router.add("GET", "/images/{name...}/json", self.inspect)
        router.add("GET", "/images/{name...}/history", self.history)
        router.add("POST", "/images/{name...}/tag", self.tag)
        router.add("DELETE", "/images/{name...}", self.remove)

    async def list(self, call: Call) -> web.Response:
        filters = ImageFilters(call.filters(), self._images.resolve)
        found = [image for image in self._images.list() if filters.match(image)]
        found.sort(key=lambda image: image.created, reverse=True)
        return reply([write_image_summary(filters.narrowed(image)) for image in found])

    async def inspect(self, call: Call) -> web.Response:
        return reply(write_image(self._images.resolve(call.args["name"])))

    async def history(self, call: Call) -> web.Response:
        return reply([write_history(entry) for entry in self._images.history(call.args["name"])])

    async def tag(self, call: Call) -> web.Response:
        repo, tag = call.text("repo"), call.text("tag")
        if not repo:
            raise InvalidArgument("repo: the new name is missing")
        self._images.tag(call.args["name"], f"{repo}:{tag}" if tag else repo)
        return empty(HTTPStatus.CREATED)

    async def remove(self, call: Call) -> web.Response:
        removed = await self._images.remove(
            call.args["name"], force=call.flag("force"), prune=not call.flag("noprune")
        )
        return reply([write_removed(item) for item in removed])

    async def prune(self, call: Call) -> web.Response:
        """Dangling images by default, with `dangling=false` all that no container was made of."""
        filters = ImageFilters(call.filters(), self._images.resolve)
        used = count_users(self._containers)
        removed: list[Removed] = []
        reclaimed = 0
        for image in self._images.list():
            unwanted = not image.references or filters.dangling is False
            if unwanted and not used[str(image.id)] and filters.match_but_dangling(image):
                done = await self._discard(image)
                removed += done
                reclaimed += image.size if any(item.kind == "deleted" for item in done) else 0
        deleted = [write_removed(item) for item in removed]
        return reply({"ImagesDeleted": deleted or None, "SpaceReclaimed": reclaimed})

    async def _discard(self, image: Image) -> Sequence[Removed]:
        removed: list[Removed] = []
        try:
            for name in image.references or (str(image.id),):
                removed += await self._images.remove(name)
        except Conflict:
            pass  # a container was made of it meanwhile: it is in use now
        return removed


def count_users(containers: Containers) -> "Counter[str]":
    """How many containers, running or not, were made of each image id."""
    every = containers.list(ContainerFilters({}), all=True)
    return Counter(container.image_id for container in every)
