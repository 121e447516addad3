"""All caches of one engine and the one task that keeps them.

Events are subscribed to before the lists are taken, so nothing falls between the two. A lost
engine leaves every cache as it was, marked stale, and is tried again with growing pauses.
"""

import asyncio
import time
from contextlib import aclosing

from tui.clients import Client, ClientError, Unreachable
from tui.informers.containers import ContainerInformer
from tui.informers.events import EventLog
from tui.informers.images import ImageInformer
from tui.informers.link import Link
from tui.informers.metrics import MetricsInformer
from tui.informers.node import NodeInformer
from tui.informers.underway import Underway
from tui.models import Event, PodGroup, group_pods

PING_PAUSE = 0.7
"""With the ping's own bound this calls a silent engine stale within three seconds."""
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
SETTLED_SECONDS = 5.0


class Hub:
    """Everything the screens watch. Making one does no I/O; ``run`` does all of it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.link = Link()
        self.events = EventLog()
        self.underway = Underway()
        self.containers = ContainerInformer(client, self.link)
        self.images = ImageInformer(client, self.link)
        self.metrics = MetricsInformer(client, self.containers)
        self.node = NodeInformer(client, self.metrics.host)

    def pods(self) -> list[PodGroup]:
        """The containers known now, grouped."""
        return group_pods(self.containers.items.values())

    def refresh(self) -> None:
        """Asks for every list again."""
        self.containers.refresh()
        self.images.refresh()

    async def run(self) -> None:
        """Keeps the caches until cancelled; never gives up on the engine."""
        pause = FIRST_PAUSE
        while True:
            started = time.monotonic()
            try:
                await self._session()
            except* ClientError as group:
                self.link.down(str(_first(group)))
            if time.monotonic() - started > SETTLED_SECONDS:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _session(self) -> None:
        """One connection, from its first answer to its loss."""
        await self.client.open()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._heartbeat(), name="heartbeat")
            async with aclosing(self.client.system.events()) as events:
                async for event in events:
                    if event is None:
                        await self._begin(tasks)
                    else:
                        self._dispatch(event)
            raise Unreachable("the engine ended the event stream")

    async def _begin(self, tasks: asyncio.TaskGroup) -> None:
        await asyncio.gather(self.containers.sync(), self.images.sync(), self.node.sync())
        for informer in (self.containers, self.images, self.metrics, self.node):
            tasks.create_task(informer.work(), name=type(informer).__name__)
        info = self.client.info
        if info is not None:
            self.link.up(info)

    def _dispatch(self, event: Event) -> None:
        for informer in (self.containers, self.images, self.metrics, self.node, self.events):
            informer.handle(event)

    async def _heartbeat(self) -> None:
        while True:
            await self.client.system.ping()
            await asyncio.sleep(PING_PAUSE)


def _first(group: BaseExceptionGroup[ClientError]) -> BaseException:
    """The innermost first error of what may be groups in groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
