"""remove: delete a container with everything that is its own."""

import asyncio
import logging
from signal import SIGKILL

from engine.containers import exits, kill, restart_policy
from engine.containers.context import Context
from engine.containers.live import Live
from engine.containers.model import Status, WaitResult
from engine.containers.stop import GRACE, halt
from engine.errors import Conflict, EngineError, NotRunning, RuntimeFailure

log = logging.getLogger(__name__)

SILENCE = 10.0
"""Seconds a monitor may take to pass a SIGKILL on, before it is killed itself."""


async def remove(context: Context, live: Live, *, force: bool) -> None:
    """See `Containers.remove`.

    Raises:
        Conflict: it runs and `force` was not given, or another removal is at work.
        RuntimeFailure: something cannot be deleted; the container is dead and can be removed again.
    """
    _check(live, force=force)
    live.removing = True
    try:
        await _remove(context, live, force=force)
    finally:
        live.removing = False
    context.publish(live, "destroy")
    _tell(live)


async def _remove(context: Context, live: Live, *, force: bool) -> None:
    if live.alive:
        await _end(context, live)
    async with live.lock:
        _check_running(live, force=force)
        if live.running:  # started again while we waited for the lock
            await halt(context, live, SIGKILL, GRACE)
        await live.settle()
        await _delete(context, live)


def _check(live: Live, *, force: bool) -> None:
    if live.removing:
        raise Conflict(f"removal of container {live.id} is already in progress")
    _check_running(live, force=force)


def _check_running(live: Live, *, force: bool) -> None:
    if not live.alive or force:
        return
    advice = "stop the container before removing or force remove"
    if live.status is Status.PAUSED:
        advice = "unpause and then stop the container before removing or force remove"
    raise Conflict(f'cannot remove container "/{live.name}": container is {live.status}: {advice}')


async def _end(context: Context, live: Live) -> None:
    """Without the lock: whoever holds it may be a stop that waits for ever."""
    context.change_state(live, stopped_by_user=True)
    if live.running and live.monitor is None:
        await _find(context, live)
    watcher = live.watcher
    try:
        async with asyncio.timeout(SILENCE):
            await kill.send(context, live, SIGKILL)
    except NotRunning:
        return  # it has ended by itself, or waits for a restart that _delete calls off
    except (RuntimeFailure, TimeoutError) as error:
        await _discard(context, live, error)
    if watcher is None:
        return
    done, _ = await asyncio.wait({watcher}, timeout=GRACE)
    if not done:
        raise RuntimeFailure(f"container {live.id} is still there {GRACE:g} s after SIGKILL")


async def _find(context: Context, live: Live) -> None:
    """Its monitor was silent when the engine started: ask now, or have what is left ended."""
    from engine.containers.restore import FAILURES, take_up  # it removes containers: needs this

    async with live.lock:
        if not live.running or live.monitor is not None:
            return
        try:
            await take_up(context, live)
        except FAILURES as error:
            await _discard(context, live, error)
            await take_up(context, live)


async def _discard(context: Context, live: Live, error: Exception) -> None:
    """Who forces a removal wants it gone, also when nobody answers for it."""
    log.warning("container %s is ended without its monitor: %s", live.name, error or "no answer")
    await context.launcher.discard(live.id, context.paths.bundle(live.id))


async def _delete(context: Context, live: Live) -> None:
    restart_policy.cancel(live)
    context.change_state(live, status=Status.REMOVING, pid=0)
    try:
        await context.images.release(live.id)
        await asyncio.to_thread(context.paths.discard, live.id)
        context.table.delete(live.id)
    except (EngineError, OSError) as error:
        message = f"unable to remove container {live.id}: {error}"
        context.change_state(live, status=Status.DEAD, error=message)
        _tell_removal(live)
        raise RuntimeFailure(message) from error
    context.execs.forget(live.id)
    context.registry.drop(live)
    if context.sampler is not None:
        context.sampler.forget(live.id)


def _tell(live: Live) -> None:
    """Nobody waits for ever: neither for the removal, nor for an exit that will not come."""
    exits.notify(live)
    for pending in live.pending:
        pending.abandon()
    live.pending.clear()
    _tell_removal(live)


def _tell_removal(live: Live) -> None:
    """That it is gone, or that it could not be removed: the state has the error."""
    state = live.record.state
    for waiter in live.removal_waiters:
        if not waiter.done():
            waiter.set_result(WaitResult(state.exit_code, state.error))
    live.removal_waiters.clear()
