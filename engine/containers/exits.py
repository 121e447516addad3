"""What happens when a container's process has ended, whoever or whatever ended it."""

import dataclasses
import logging
import time
from contextlib import suppress

from engine.containers import restart_policy
from engine.containers.context import Context
from engine.containers.live import Live
from engine.containers.model import Status, WaitResult
from engine.containers.ports import Monitor
from engine.errors import Conflict, EngineError, MonitorLost
from engine.runtime.launcher import ExitRecord

log = logging.getLogger(__name__)

UNKNOWN = 255


async def watch(context: Context, live: Live, monitor: Monitor) -> None:
    """Wait for the end, record it, clean up, and restart or remove as the container asks."""
    try:
        outcome = await monitor.wait()
    except MonitorLost as error:
        await _delete(live, monitor)  # first: what is told to have ended must not run on
        finish_lost(context, live, str(error))
    else:
        finish(context, live, outcome)
        await _delete(live, monitor)
    follow_up(context, live)


def finish(context: Context, live: Live, outcome: ExitRecord) -> None:
    """Record an exit and tell everybody. Nothing is awaited: nobody sees a half-ended container."""
    _leave(context, live)
    restarts = restart_policy.applies(live, outcome.code)
    before = live.record.state
    started_at = outcome.started_at or before.started_at
    state = dataclasses.replace(
        before,
        status=Status.RESTARTING if restarts else Status.EXITED,
        pid=0,
        exit_code=outcome.code,
        oom_killed=outcome.oom_killed,
        started_at=started_at,
        finished_at=outcome.finished_at,
    )
    count = live.record.restart_count + restarts
    context.change(live, state=state, exec_ids=(), restart_count=count)
    seconds = max(outcome.finished_at - started_at, 0) // 1_000_000_000
    context.publish(live, "die", exitCode=str(outcome.code), execDuration=str(seconds))
    notify(live)


def finish_lost(context: Context, live: Live, error: str) -> None:
    """The exit code is not known: 255 and an error, never 0."""
    state = live.record.state
    outcome = ExitRecord(
        code=UNKNOWN,
        signal=None,
        oom_killed=False,
        started_at=state.started_at,
        finished_at=time.time_ns(),
    )
    context.change_state(live, error=error)
    finish(context, live, outcome)


def notify(live: Live) -> None:
    """Tell those who wait for an exit."""
    state = live.record.state
    waiting, live.exit_waiters = live.exit_waiters, []
    for waiter in waiting:
        if not waiter.done():
            waiter.set_result(WaitResult(state.exit_code, state.error))


def follow_up(context: Context, live: Live) -> None:
    """After the clean-up: the restart, or the removal of a `--rm` container."""
    if context.closing:
        return
    if live.status is Status.RESTARTING:
        restart_policy.schedule(context, live)
    elif live.record.host_config.auto_remove and not live.keep:
        context.tasks.spawn(_remove(context, live), f"remove {live.name}")


async def _remove(context: Context, live: Live) -> None:
    from engine.containers.remove import remove  # it stops containers, and so needs this file

    with suppress(Conflict):  # somebody else removes it already
        await remove(context, live, force=True)


def _leave(context: Context, live: Live) -> None:
    live.monitor = None
    if live.health is not None:
        live.health.cancel()
        live.health = None
    if context.sampler is not None:
        context.sampler.untrack(live.id)


async def _delete(live: Live, monitor: Monitor) -> None:
    try:
        await monitor.delete()
    except (EngineError, OSError):
        log.exception("cannot clean up after container %s", live.name)
