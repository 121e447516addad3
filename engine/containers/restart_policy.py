"""Restart policies: when a container that ended is started again, and after which pause.

Follows moby's restartmanager: 100 ms, doubled after every run shorter than 10 s, at most a minute.
"""

import asyncio
import logging
import time

from engine.containers.context import Context
from engine.containers.live import Live
from engine.containers.model import Status
from engine.errors import EngineError

log = logging.getLogger(__name__)

FIRST, LONGEST, STEADY = 0.1, 60.0, 10.0
"""Seconds: the first pause, the longest, and the run that counts as a success."""


def applies(live: Live, code: int) -> bool:
    """Whether the container is to be started again after it ended with `code`."""
    policy = live.record.host_config.restart_policy
    if live.record.state.stopped_by_user or live.keep:
        return False
    if policy.name == "on-failure":
        limit = policy.maximum_retry_count
        return code != 0 and (limit == 0 or live.record.restart_count < limit)
    return policy.name in ("always", "unless-stopped")


def applies_at_start(live: Live) -> bool:
    """Whether a container that does not run is started when the engine starts."""
    policy, state = live.record.host_config.restart_policy.name, live.record.state
    if not state.started_at:
        return False
    return policy == "always" or (policy == "unless-stopped" and not state.stopped_by_user)


def schedule(context: Context, live: Live) -> None:
    """Start it again after the pause that its last runs have earned."""
    live.backoff = pause(live.backoff, _ran_for(live))
    live.revival = context.tasks.spawn(_revive(context, live), f"restart {live.name}")


def pause(last: float, ran_for: float) -> float:
    """Seconds to wait, given the last pause and how long the container then ran."""
    if not last or ran_for >= STEADY:
        return FIRST
    return min(last * 2, LONGEST)


def cancel(live: Live) -> None:
    """Take a restart back; the caller holds the container's lock."""
    if live.revival is not None:
        live.revival.cancel()
        live.revival = None


def _ran_for(live: Live) -> float:
    state = live.record.state
    return max(state.finished_at - state.started_at, 0) / 1e9


async def _revive(context: Context, live: Live) -> None:
    from engine.containers.launch import launch  # it watches for exits, and so needs this file

    await asyncio.sleep(live.backoff)
    async with live.lock:
        if live.status is not Status.RESTARTING or context.closing:
            return
        live.revival = None
        try:
            await launch(context, live)
        except EngineError as error:
            log.warning("cannot restart container %s: %s", live.name, error)
            _fail(context, live)


def _fail(context: Context, live: Live) -> None:
    """A start that failed counts as a run that failed: the policy decides again."""
    from engine.containers.exits import notify

    if not applies(live, live.record.state.exit_code):
        notify(live)
        return
    context.change(live, restart_count=live.record.restart_count + 1)
    context.change_state(live, status=Status.RESTARTING, finished_at=time.time_ns())
    schedule(context, live)
