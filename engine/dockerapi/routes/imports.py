"""What brings images in: load, import, and a pull's clear refusal."""

from aiohttp import web

from engine.dockerapi.call import Call
from engine.dockerapi.replies import JsonLines
from engine.dockerapi.rooms import Images
from engine.dockerapi.router import Router
from engine.errors import NotFound, Unsupported
from engine.oci.reference import Reference


class ImportRoutes:
    """`/images/load` and `/images/create`; both end, and leave nothing, when the client goes."""

    def __init__(self, images: Images) -> None:
        self._images = images

    def register(self, router: Router) -> None:
        router.add("POST", "/images/load", self.load, streams=True)
        router.add("POST", "/images/create", self.create, streams=True)

    async def load(self, call: Call) -> web.StreamResponse:
        lines = JsonLines(call.request)
        loaded = await self._images.load(call.chunks())
        await lines.open()
        for line in loaded:
            await lines.send({"stream": f"{line}\n"})
        return lines.response

    async def create(self, call: Call) -> web.StreamResponse:
        if call.text("fromImage"):
            raise _no_pull(call)
        source = call.text("fromSrc")
        if source != "-":
            raise Unsupported(f"fromSrc: cannot fetch {source!r}: send the archive as the body")
        return await self._import(call)

    async def _import(self, call: Call) -> web.StreamResponse:
        lines = JsonLines(call.request)
        image = await self._images.import_rootfs(
            call.chunks(),
            _target(call.text("repo"), call.text("tag")),
            changes=call.texts("changes"),
            message=call.text("message"),
        )
        await lines.open()
        await lines.send({"status": str(image.id)})
        return lines.response


def _target(repo: str, tag: str) -> str | None:
    """`repo` may hold the tag already; clients send it both ways."""
    return f"{repo}:{tag}" if repo and tag else repo or None


def _no_pull(call: Call) -> NotFound:
    """The client shows this as it is when `run` finds no image and tries to pull it."""
    name, tag = call.text("fromImage"), call.text("tag")
    separator = "@" if tag.startswith("sha256:") else ":"
    reference = Reference.parse(f"{name}{separator}{tag}" if tag else name)
    return NotFound(
        f"cannot pull {reference.familiar}: pulling from a registry is not available yet. "
        "Bring the image with `docker load` or `docker import`, "
        "or make one of this host's programs with `berth image from-host`"
    )
