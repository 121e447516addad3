"""Publishers hand events in, every subscriber gets its own bounded queue.

Publishing never waits: a subscriber that does not keep up is dropped, and told so at the end of
what it was still given, so that it can list again and subscribe anew.
"""

import asyncio
import time
from collections import deque
from types import TracebackType

from engine.errors import Unavailable
from engine.events.event import Event
from engine.events.filters import Filters

HISTORY = 1000
QUEUE = 2048


class Exchange:
    """Fans events out, and remembers the last `HISTORY` for `since`."""

    def __init__(self) -> None:
        self._history: deque[Event] = deque(maxlen=HISTORY)
        self._subscriptions: set[Subscription] = set()

    def publish(self, event: Event) -> None:
        """Give an event to everybody who wants it. Returns at once; to be called in the loop."""
        self._history.append(event)
        for subscription in tuple(self._subscriptions):
            subscription.offer(event)

    def subscribe(
        self,
        filters: Filters | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> "Subscription":
        """Events from this call on, after the remembered ones since `since_ns`.

        Args:
            filters: which events; None for all.
            since_ns: replay what is remembered from this time on; None replays nothing.
            until_ns: end at this time; in the past, end after the replay.
        """
        subscription = Subscription(self, filters or Filters(), until_ns)
        replayed = [] if since_ns is None else [e for e in self._history if e.time_ns >= since_ns]
        for event in replayed:
            subscription.offer(event)
        self._subscriptions.add(subscription)
        return subscription

    def close(self) -> None:
        """End every subscription after what it was already given."""
        for subscription in tuple(self._subscriptions):
            subscription.close()

    def drop(self, subscription: "Subscription") -> None:
        self._subscriptions.discard(subscription)


class Subscription:
    """An asynchronous iterator of events, subscribed from the moment it was made.

    Iterating raises `Unavailable` after the last event kept, when events were lost because the
    subscriber was too slow.
    """

    def __init__(self, exchange: Exchange, filters: Filters, until_ns: int | None) -> None:
        self._exchange = exchange
        self._filters = filters
        self._until_ns = until_ns
        self._queue: deque[Event] = deque()
        self._changed = asyncio.Event()
        self._closed = False
        self._overflowed = False

    def offer(self, event: Event) -> None:
        """Queue one event if it is wanted; over the bound, this subscription ends."""
        if self._closed or self._is_late(event) or not self._filters.match(event):
            return
        if len(self._queue) >= QUEUE:
            self._overflowed = True
            self.close()
            return
        self._queue.append(event)
        self._changed.set()

    def close(self) -> None:
        """No more events; those already queued can still be read."""
        self._closed = True
        self._exchange.drop(self)
        self._changed.set()

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Event:
        while not self._queue:
            if self._closed:
                self._end()
            self._changed.clear()
            await self._wait()
        return self._queue.popleft()

    async def __aenter__(self) -> "Subscription":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _is_late(self, event: Event) -> bool:
        return self._until_ns is not None and event.time_ns > self._until_ns

    def _end(self) -> None:
        if self._overflowed:
            raise Unavailable(f"too slow for the events: more than {QUEUE} were waiting")
        raise StopAsyncIteration

    async def _wait(self) -> None:
        if self._until_ns is None:
            await self._changed.wait()
            return
        try:
            async with asyncio.timeout((self._until_ns - time.time_ns()) / 1e9):
                await self._changed.wait()
        except TimeoutError:
            self.close()
