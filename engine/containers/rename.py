"""rename: a new name; the id stays."""

from engine.containers import names
from engine.containers.context import Context
from engine.containers.launch import measure
from engine.containers.live import Live
from engine.errors import InvalidArgument


async def rename(context: Context, live: Live, name: str) -> None:
    """Raises InvalidArgument for a name that cannot be, Conflict for one that is taken."""
    if not name.removeprefix("/"):
        raise InvalidArgument("Neither old nor new names may be empty")
    chosen, old = names.check(name), live.name
    if chosen == old:
        raise InvalidArgument("Renaming a container with the same name as its current name")
    context.registry.reserve(chosen, live.id)
    context.registry.release(old)
    context.change(live, name=chosen)
    context.save_copy(live)
    if live.monitor is not None:
        measure(context, live, live.monitor)
    context.publish(live, "rename", oldName=f"/{old}")
