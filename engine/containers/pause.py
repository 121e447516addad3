"""pause and unpause: freeze and thaw every process of a container."""

from engine.containers.context import Context
from engine.containers.live import Live
from engine.containers.model import Status
from engine.containers.ports import Monitor
from engine.errors import Conflict, NotRunning


async def pause(context: Context, live: Live) -> None:
    """Raises NotRunning, or Conflict when it is paused already or about to restart."""
    async with live.lock:
        monitor = _monitor(live)
        if live.status is Status.PAUSED:
            raise Conflict(f"Container {live.id} is already paused")
        await monitor.pause()
        context.change_state(live, status=Status.PAUSED)
    context.publish(live, "pause")


async def unpause(context: Context, live: Live) -> None:
    """Raises Conflict when it is not paused."""
    async with live.lock:
        if live.status is not Status.PAUSED:
            raise Conflict(f"Container {live.id} is not paused")
        await _monitor(live).resume()
        if live.status is Status.PAUSED:
            context.change_state(live, status=Status.RUNNING)
    context.publish(live, "unpause")


def _monitor(live: Live) -> Monitor:
    if live.status is Status.RESTARTING:
        raise Conflict(f"Container {live.id} is restarting, wait until the container is running")
    if live.monitor is None or not live.running:
        raise NotRunning(f"Container {live.id} is not running")
    return live.monitor
