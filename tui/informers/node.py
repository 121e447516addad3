"""The engine's host: what it is, and on a local dockerd its figures."""

import asyncio
from collections.abc import Callable

from tui.clients import Client, ClientError, Unreachable
from tui.informers.series import Series
from tui.informers.watchers import Unsubscribe, Watchers
from tui.models import Event, Feature, HostSample, NodeInfo

SPACING = 2.0
INTERVAL = 1.0


class NodeInformer:
    """``info`` is asked again after events, but at most every two seconds: it is not cheap."""

    def __init__(self, client: Client, host: Series[HostSample]) -> None:
        self._client = client
        self._host = host
        self.info: NodeInfo | None = None
        self._dirty = asyncio.Event()
        self._watchers: Watchers[[]] = Watchers()

    def watch(self, callback: Callable[[], None]) -> Unsubscribe:
        """Calls back when ``info`` has changed."""
        return self._watchers.add(callback)

    def handle(self, event: Event) -> None:
        """Counts change with containers and images."""
        if event.verb in ("create", "destroy", "start", "die", "pause", "unpause", "delete"):
            self._dirty.set()
        if event.kind == "image":
            self._dirty.set()

    async def sync(self) -> None:
        """Asks once."""
        node = await self._client.node()
        if node != self.info:
            self.info = node
            self._watchers()

    async def work(self) -> None:
        """Follows until cancelled.

        Raises:
            Unreachable: when the engine is lost.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            if self._reads_host():
                tasks.create_task(self._read_host())

    def _reads_host(self) -> bool:
        info = self._client.info
        return info is not None and info.local and not info.has(Feature.METRICS_STREAM)

    async def _follow(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self.sync()
            except Unreachable:
                raise
            except ClientError:
                pass  # what is shown stays; the next event asks again
            await asyncio.sleep(SPACING)

    async def _read_host(self) -> None:
        from tui.informers.local import LocalHost

        host = LocalHost(self.info.data_dir if self.info else "/")
        while True:
            self._host.append(await asyncio.to_thread(host.read))
            await asyncio.sleep(INTERVAL)
