"""Keeps the collector away while anything is being added: many may add, one collects alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from engine.snapshots.whole import whole


class Gate:
    """`collect` runs when it was asked for and nobody is adding; additions wait while it runs."""

    def __init__(self, collect: Callable[[], Awaitable[None]]) -> None:
        self._collect = collect
        self._changed = asyncio.Condition()
        self._adding = 0
        self._collecting = False
        self._wanted = False

    @asynccontextmanager
    async def adding(self) -> AsyncIterator[None]:
        """Blobs, layers and snapshots made inside are safe until the end of the context."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._collecting)
            self._adding += 1
        try:
            yield
        finally:
            self._adding -= 1
            await self._collect_if_idle()

    async def collect(self) -> None:
        """Collect now, or as soon as the last addition has ended."""
        self._wanted = True
        await self._collect_if_idle()

    def request(self) -> None:
        """Collect at the end of the additions under way."""
        self._wanted = True

    async def _collect_if_idle(self) -> None:
        if self._wanted and not self._adding and not self._collecting:
            await whole(self._collect_all())

    async def _collect_all(self) -> None:
        """Again when it was asked for meanwhile; whoever waits for that has left already."""
        self._collecting = True
        try:
            while self._wanted:
                self._wanted = False
                await self._collect()
        finally:
            self._collecting = False
            async with self._changed:
                self._changed.notify_all()
