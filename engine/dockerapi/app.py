"""The whole API as one router."""

from engine.dockerapi.rooms import Rooms
from engine.dockerapi.router import Router
from engine.dockerapi.routes import absent
from engine.dockerapi.routes.attach import AttachRoutes
from engine.dockerapi.routes.berth import BerthRoutes
from engine.dockerapi.routes.containers import ContainerRoutes
from engine.dockerapi.routes.exec import ExecRoutes
from engine.dockerapi.routes.images import ImageRoutes
from engine.dockerapi.routes.imports import ImportRoutes
from engine.dockerapi.routes.lifecycle import LifecycleRoutes
from engine.dockerapi.routes.logs import LogRoutes
from engine.dockerapi.routes.networks import NetworkRoutes
from engine.dockerapi.routes.stats import StatsRoutes
from engine.dockerapi.routes.system import SystemRoutes
from engine.dockerapi.routes.volumes import VolumeRoutes


def make_router(rooms: Rooms) -> Router:
    """Fixed paths before those that take any name: the first match wins."""
    router = Router()
    SystemRoutes(rooms).register(router)
    ContainerRoutes(rooms).register(router)
    for routes in (LifecycleRoutes, AttachRoutes, LogRoutes, StatsRoutes, ExecRoutes):
        routes(rooms.containers).register(router)
    absent.register(router)
    ImportRoutes(rooms.images).register(router)
    ImageRoutes(rooms.images, rooms.containers).register(router)
    NetworkRoutes(rooms.facts).register(router)
    VolumeRoutes().register(router)
    BerthRoutes(rooms).register(router)
    return router
