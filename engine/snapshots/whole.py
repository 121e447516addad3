"""Work that is never cut in half: who is cancelled meanwhile goes when it is done."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

_T = TypeVar("_T")


async def whole(work: Awaitable[_T]) -> _T:
    """Await `work` to its end; a cancellation comes through only then.

    A thread cannot be stopped. One that nobody waits for would go on writing, or deleting, in a
    place that others take for theirs.
    """
    working = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        while not working.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({working})
        if not working.cancelled():
            working.exception()  # seen: the cancellation says it all
        raise
