"""Networks: the two that always exist. Others are not available yet."""

from aiohttp import web

from engine.dockerapi.call import Call
from engine.dockerapi.codec.networks import PREDEFINED, network_id, write_network
from engine.dockerapi.replies import reply
from engine.dockerapi.rooms import Facts
from engine.dockerapi.router import Router
from engine.errors import Forbidden, InvalidArgument, NotFound

_FILTERS = frozenset(("driver", "id", "label", "name", "scope", "type", "dangling"))


class NetworkRoutes:
    """`/networks`."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def register(self, router: Router) -> None:
        router.add("GET", "/networks", self.list)
        router.add("POST", "/networks/prune", self.prune)
        router.add("GET", "/networks/{id}", self.inspect)
        router.add("DELETE", "/networks/{id}", self.remove)

    async def list(self, call: Call) -> web.Response:
        filters = call.filters()
        for name in filters:
            if name not in _FILTERS:
                raise InvalidArgument(f"invalid filter '{name}'")
        return reply([self._write(name) for name in PREDEFINED if _matches(name, filters)])

    async def inspect(self, call: Call) -> web.Response:
        return reply(self._write(_find(call.args["id"])))

    async def remove(self, call: Call) -> web.Response:
        name = _find(call.args["id"])
        raise Forbidden(f"{name} is a pre-defined network and cannot be removed")

    async def prune(self, call: Call) -> web.Response:
        """What always exists is never unused."""
        return reply({"NetworksDeleted": None})

    def _write(self, name: str) -> dict[str, object]:
        return write_network(name, self._facts.started_at)


def _find(ref: str) -> str:
    for name in PREDEFINED:
        if ref == name or (len(ref) >= 4 and network_id(name).startswith(ref)):
            return name
    raise NotFound(f"network {ref} not found")


def _matches(name: str, filters: dict[str, tuple[str, ...]]) -> bool:
    facts = {
        "driver": (PREDEFINED[name],),
        "id": (network_id(name),),
        "label": (),
        "name": (name,),
        "scope": ("local",),
        "type": ("builtin",),
        "dangling": ("false", "0"),
    }
    partial = {"id", "name"}
    return all(
        any(
            value in fact if key in partial else value == fact
            for value in values
            for fact in facts[key]
        )
        for key, values in filters.items()
    )
