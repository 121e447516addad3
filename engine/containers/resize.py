"""resize: the size of a container's terminal."""

from engine.containers.context import Context
from engine.containers.live import Live
from engine.errors import InvalidArgument, NotRunning


async def resize(context: Context, live: Live, height: int, width: int) -> None:
    """Raises NotRunning, or InvalidArgument for a size no terminal has."""
    check(height, width)
    if live.monitor is None or not live.running:
        raise NotRunning(f"Container {live.id} is not running")
    await live.monitor.resize(height, width)
    context.publish(live, "resize", height=str(height), width=str(width))


def check(height: int, width: int) -> None:
    if not (0 <= height < 65536 and 0 <= width < 65536):
        raise InvalidArgument(f"invalid terminal size {height}x{width}: must be below 65536")
