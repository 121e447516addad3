"""Volumes: there are none yet, and clients that ask are told so in the words they know."""

from aiohttp import web

from engine.dockerapi.call import Call
from engine.dockerapi.replies import reply
from engine.dockerapi.router import Router
from engine.errors import NotFound


class VolumeRoutes:
    """`/volumes`."""

    def register(self, router: Router) -> None:
        router.add("GET", "/volumes", self.list)
        router.add("POST", "/volumes/prune", self.prune)
        router.add("GET", "/volumes/{name}", self.missing)
        router.add("DELETE", "/volumes/{name}", self.missing)

    async def list(self, call: Call) -> web.Response:
        return reply({"Volumes": [], "Warnings": None})

    async def prune(self, call: Call) -> web.Response:
        return reply({"VolumesDeleted": None, "SpaceReclaimed": 0})

    async def missing(self, call: Call) -> web.Response:
        raise NotFound(f"get {call.args['name']}: no such volume")
