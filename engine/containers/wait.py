"""wait: the exit code, now or when there is one."""

import asyncio
from collections.abc import Awaitable

from engine.containers.live import Live
from engine.containers.model import WaitResult
from engine.errors import InvalidArgument

CONDITIONS = ("not-running", "next-exit", "removed")


def wait(live: Live, condition: str) -> Awaitable[WaitResult]:
    """Registers at once, so that an exit between this call and the await is not missed."""
    if condition not in CONDITIONS:
        raise InvalidArgument(f'invalid condition: "{condition}"')
    waiter: asyncio.Future[WaitResult] = asyncio.get_running_loop().create_future()
    if condition == "not-running" and not live.alive:
        waiter.set_result(WaitResult(live.record.state.exit_code, live.record.state.error))
        return waiter
    waiting = live.removal_waiters if condition == "removed" else live.exit_waiters
    waiting[:] = [other for other in waiting if not other.done()]
    waiting.append(waiter)
    return waiter
