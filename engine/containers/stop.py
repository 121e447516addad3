"""stop: ask a container to end, and end it when it does not."""

import asyncio
from contextlib import suppress

from engine.containers import exits, kill, restart_policy, signals
from engine.containers.context import Context
from engine.containers.live import Live
from engine.containers.model import Status
from engine.errors import NotRunning, RuntimeFailure

TIMEOUT = 10
"""Seconds between the stop signal and SIGKILL, unless the container says else."""
GRACE = 30.0
"""Seconds a killed process may take to be gone: one in uninterruptible sleep can be late."""


async def stop(context: Context, live: Live, timeout: int | None, signal: str | None) -> bool:
    """See `Containers.stop`."""
    number = stop_signal(live, signal)
    was_alive = live.alive
    async with live.lock:
        if not live.alive:
            return was_alive  # who asked while it ran has what was asked for, whoever did it
        await halt(context, live, number, seconds(live, timeout))
    context.publish(live, "stop")
    return True


def stop_signal(live: Live, signal: str | None) -> int:
    """Raises InvalidArgument when it is no signal."""
    return signals.parse(signal or live.record.config.stop_signal or "SIGTERM")


async def halt(context: Context, live: Live, signal: int, seconds: float | None) -> None:
    """End what runs and wait for it; the caller holds the lock.

    Args:
        seconds: until SIGKILL; None waits for ever.
    """
    context.change_state(live, stopped_by_user=True)
    if live.status is Status.RESTARTING:
        call_off(context, live)
        return
    if await _ends(context, live, signal, seconds):
        return
    if not await _ends(context, live, signals.parse("KILL"), GRACE):
        raise RuntimeFailure(f"container {live.id} is still there {GRACE:g} s after SIGKILL")


def call_off(context: Context, live: Live) -> None:
    """End the wait for a restart; the caller holds the lock."""
    restart_policy.cancel(live)
    context.change_state(live, status=Status.EXITED, stopped_by_user=True)
    exits.notify(live)


async def _ends(context: Context, live: Live, signal: int, seconds: float | None) -> bool:
    """Send a signal; whether the container is gone, and cleaned up after, within the time."""
    watcher = live.watcher
    with suppress(NotRunning):  # it has just ended by itself, which is what we want
        await kill.send(context, live, signal)
    if watcher is None:
        return True
    done, _ = await asyncio.wait({watcher}, timeout=seconds)
    return bool(done)


def seconds(live: Live, timeout: int | None) -> float | None:
    chosen = live.record.config.stop_timeout if timeout is None else timeout
    if chosen is None:
        return TIMEOUT
    return None if chosen < 0 else chosen
