"""restart: stop when it runs, then start."""

from engine.containers import stop
from engine.containers.context import Context
from engine.containers.launch import launch
from engine.containers.live import Live
from engine.containers.start import check, check_kept


async def restart(context: Context, live: Live, timeout: int | None, signal: str | None) -> None:
    """See `Containers.restart`."""
    number = stop.stop_signal(live, signal)
    async with live.lock:
        check_kept(live)
        if live.alive:
            await _halt(context, live, number, stop.seconds(live, timeout))
        check(live)
        await live.settle()
        await launch(context, live)
    context.publish(live, "restart")


async def _halt(context: Context, live: Live, number: int, seconds: float | None) -> None:
    """A `--rm` container that is only restarted must not be removed on the way."""
    live.keep = True
    try:
        await stop.halt(context, live, number, seconds)
    finally:
        live.keep = False
    context.publish(live, "stop")
