"""Containers as records: create, list, inspect, rename, update, remove, prune, top."""

from http import HTTPStatus

from aiohttp import web

from engine.containers.filters import Filters
from engine.dockerapi.call import Call
from engine.dockerapi.codec.config import read_config
from engine.dockerapi.codec.container import write_container
from engine.dockerapi.codec.host_config import read_host_config, read_restart_policy
from engine.dockerapi.codec.resources import read_resources
from engine.dockerapi.codec.summary import write_summary
from engine.dockerapi.replies import empty, reply
from engine.dockerapi.rooms import Rooms
from engine.dockerapi.router import Router


class ContainerRoutes:
    """`/containers`, but for what moves or streams."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._containers = rooms.containers

    def register(self, router: Router) -> None:
        router.add("GET", "/containers/json", self.list)
        router.add("POST", "/containers/create", self.create)
        router.add("POST", "/containers/prune", self.prune)
        router.add("GET", "/containers/{id}/json", self.inspect)
        router.add("GET", "/containers/{id}/top", self.top)
        router.add("POST", "/containers/{id}/rename", self.rename)
        router.add("POST", "/containers/{id}/update", self.update)
        router.add("DELETE", "/containers/{id}", self.remove)

    async def list(self, call: Call) -> web.Response:
        limit = call.integer("limit")
        # The old names of the filters are parameters of their own.
        old = {name: (call.text(name),) for name in ("since", "before") if call.text(name)}
        found = self._containers.list(
            Filters(old | call.filters()),
            all=call.flag("all"),
            limit=limit if limit and limit > 0 else None,
        )
        sized = call.flag("size")
        return reply(
            [
                write_summary(
                    container,
                    container.config.image or container.image_id,
                    await self._containers.size(container.id) if sized else None,
                )
                for container in found
            ]
        )

    async def create(self, call: Call) -> web.Response:
        fields = await call.json()
        created = await self._containers.create(
            call.text("name") or None,
            read_config(fields),
            read_host_config(fields.object("HostConfig")),
        )
        body = {"Id": created.id, "Warnings": list(created.warnings)}
        return reply(body, HTTPStatus.CREATED)

    async def inspect(self, call: Call) -> web.Response:
        container = self._containers.get(call.args["id"])
        size = await self._containers.size(container.id) if call.flag("size") else None
        return reply(write_container(container, self._rooms.root_of(container.id), size))

    async def top(self, call: Call) -> web.Response:
        top = await self._containers.top(call.args["id"], call.text("ps_args"))
        processes = [list(process) for process in top.processes]
        return reply({"Titles": list(top.titles), "Processes": processes})

    async def rename(self, call: Call) -> web.Response:
        await self._containers.rename(call.args["id"], call.text("name"))
        return empty()

    async def update(self, call: Call) -> web.Response:
        fields = await call.json()
        policy = read_restart_policy(fields) if "RestartPolicy" in fields else None
        warnings = await self._containers.update(call.args["id"], read_resources(fields), policy)
        return reply({"Warnings": list(warnings)})

    async def remove(self, call: Call) -> web.Response:
        await self._containers.remove(
            call.args["id"], force=call.flag("force"), volumes=call.flag("v")
        )
        return empty()

    async def prune(self, call: Call) -> web.Response:
        pruned = await self._containers.prune(Filters(call.filters()))
        return reply(
            {"ContainersDeleted": list(pruned.ids) or None, "SpaceReclaimed": pruned.reclaimed}
        )
