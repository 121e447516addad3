"""kill: send a signal to a container's first process."""

import asyncio
import signal as signals_of_python

from engine.containers import signals
from engine.containers.context import Context
from engine.containers.live import Live
from engine.containers.model import Status
from engine.errors import NotRunning, Unavailable

GRACE = 10.0
"""Seconds that a SIGKILL waits for the end; one in uninterruptible sleep can be late."""


async def kill(context: Context, live: Live, signal: str) -> None:
    """See `Containers.kill`."""
    number = signals.parse(signal)
    words = f"cannot kill container: {live.name}: container {live.id} is not running"
    if not live.alive:
        raise NotRunning(words)
    if number in _ending(live):
        context.change_state(live, stopped_by_user=True)
    if live.status is Status.RESTARTING:
        await _call_off(context, live, number)
        return
    watcher = live.watcher
    try:
        await send(context, live, number)
    except NotRunning as error:  # it has just ended by itself
        raise NotRunning(words) from error
    if number == signals_of_python.SIGKILL and watcher is not None:
        await asyncio.wait({watcher}, timeout=GRACE)  # as Docker: who kills may start again at once


async def send(context: Context, live: Live, number: int) -> None:
    """Send a signal; one meant to end a frozen container also thaws it.

    Raises:
        NotRunning: there is no process.
        Unavailable: there is one, and its monitor was silent when the engine started.
    """
    monitor = live.monitor
    if not live.running:
        raise NotRunning(f"container {live.id} is not running")
    if monitor is None:
        raise Unavailable(f"the monitor of container {live.id} does not answer: try again later")
    await monitor.kill(int(number))
    context.publish(live, "kill", signal=str(number))
    if live.status is Status.PAUSED and number in _ending(live):
        await monitor.resume()
        if live.status is Status.PAUSED:
            context.change_state(live, status=Status.RUNNING)
            context.publish(live, "unpause")


async def _call_off(context: Context, live: Live, number: int) -> None:
    from engine.containers.stop import call_off  # it sends signals, and so needs this file

    async with live.lock:
        if live.status is Status.RESTARTING and number in _ending(live):
            call_off(context, live)


def _ending(live: Live) -> frozenset[int]:
    """Signals that mean the container shall not run any more."""
    own = signals.parse(live.record.config.stop_signal or "SIGTERM")
    return frozenset((own, int(signals_of_python.SIGKILL), int(signals_of_python.SIGTERM)))
