"""What this engine does not have, each answered so that a client understands.

Swarm answers as an engine that is in no swarm; plugins as one that has none.
"""

from aiohttp import web

from engine.dockerapi.call import Call
from engine.dockerapi.replies import reply
from engine.dockerapi.router import Handler, Router
from engine.errors import EngineError, NotFound, Unavailable, Unsupported

_NO_SWARM = "This node is not part of a swarm"
_SWARM = ("swarm", "nodes", "services", "tasks", "secrets", "configs")
_METHODS = ("GET", "POST", "DELETE")

_LATER = {
    ("HEAD", "/containers/{id}/archive"): "copying files",
    ("GET", "/containers/{id}/archive"): "copying files",
    ("PUT", "/containers/{id}/archive"): "copying files",
    ("GET", "/containers/{id}/changes"): "showing a container's changed files",
    ("GET", "/containers/{id}/export"): "exporting a container",
    ("GET", "/containers/{id}/attach/ws"): "attaching by websocket",
    ("POST", "/commit"): "committing a container",
    ("POST", "/build"): "building images",
    ("POST", "/session"): "building images with BuildKit",
    ("GET", "/images/get"): "saving images",
    ("GET", "/images/search"): "searching a registry",
    ("GET", "/images/{name...}/get"): "saving images",
    ("POST", "/images/{name...}/push"): "pushing to a registry",
    ("GET", "/distribution/{name...}/json"): "asking a registry",
    ("POST", "/auth"): "logging in to a registry",
    ("POST", "/networks/create"): "making networks",
    ("POST", "/networks/{id}/connect"): "connecting to networks",
    ("POST", "/networks/{id}/disconnect"): "disconnecting from networks",
    ("POST", "/volumes/create"): "making volumes",
}


def register(router: Router) -> None:
    for (method, path), what in _LATER.items():
        router.add(method, path, _refuse(Unsupported(f"{what} is not available yet")))
    router.add("GET", "/plugins", _no_plugins)
    router.add("GET", "/plugins/{name...}/json", _no_plugin)
    router.add("POST", "/build/prune", _nothing_pruned)
    for area in _SWARM:
        for method in _METHODS:
            router.add(method, f"/{area}", _refuse(Unavailable(_NO_SWARM)))
            router.add(method, f"/{area}/{{rest...}}", _refuse(Unavailable(_NO_SWARM)))


def _refuse(error: EngineError) -> Handler:
    async def handler(call: Call) -> web.StreamResponse:
        raise type(error)(*error.args)

    return handler


async def _no_plugins(call: Call) -> web.StreamResponse:
    return reply([])


async def _no_plugin(call: Call) -> web.StreamResponse:
    raise NotFound(f'plugin "{call.args["name"]}" not found')


async def _nothing_pruned(call: Call) -> web.StreamResponse:
    """There is no builder, so there is no cache of one: `system prune` asks all the same."""
    return reply({"CachesDeleted": None, "SpaceReclaimed": 0})
