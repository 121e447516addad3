"""start: run a container that was created or has ended."""

from contextlib import suppress

from engine.containers.context import Context
from engine.containers.launch import launch
from engine.containers.live import Live
from engine.containers.model import Status
from engine.containers.remove import remove
from engine.errors import Conflict, EngineError


async def start(context: Context, live: Live) -> bool:
    """See `Containers.start`."""
    try:
        async with live.lock:
            return await _start(context, live)
    except EngineError:
        if live.record.host_config.auto_remove and not live.alive and _is_here(context, live):
            with suppress(Conflict):  # somebody else removes it already
                await remove(context, live, force=True)
        raise


async def _start(context: Context, live: Live) -> bool:
    check(live)
    if live.alive:
        return False
    await live.settle()
    if live.record.restart_count:
        context.change(live, restart_count=0)
    live.backoff = 0.0
    await launch(context, live)
    return True


def check(live: Live) -> None:
    """Raises Conflict for a state from which nothing can be started."""
    if live.status is Status.PAUSED:
        raise Conflict("cannot start a paused container, try unpause instead")
    check_kept(live)


def check_kept(live: Live) -> None:
    """Raises Conflict for a container that is being removed."""
    if live.removing or live.status in (Status.REMOVING, Status.DEAD):
        raise Conflict("container is marked for removal and cannot be started")


def _is_here(context: Context, live: Live) -> bool:
    return context.registry.get(live.id) is live
