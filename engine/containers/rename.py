"""rename: a new name; the id stays."""

from engine.containers import names
from engine.containers.context import Context
from engine.containers.live import Live
from engine.containers.model import Status
from engine.errors import Conflict, InvalidArgument


async def rename(context: Context, live: Live, name: str) -> None:
    """Raises InvalidArgument for a name that cannot be, Conflict for one that is taken.

    Conflict as well for a container that is being removed, Unavailable when it cannot be written.
    """
    if not name.removeprefix("/"):
        raise InvalidArgument("Neither old nor new names may be empty")
    if live.status in (Status.REMOVING, Status.DEAD):
        raise Conflict(f"container {live.id} is marked for removal and cannot be renamed")
    chosen, old = names.check(name), live.name
    if chosen == old:
        raise InvalidArgument("Renaming a container with the same name as its current name")
    context.registry.reserve(chosen, live.id)
    try:
        context.require(live, name=chosen)
    except BaseException:
        context.registry.release(chosen)
        raise
    context.registry.release(old)
    if context.sampler is not None:
        context.sampler.rename(live.id, chosen)
    context.publish(live, "rename", oldName=f"/{old}")
