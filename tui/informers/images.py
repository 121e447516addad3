"""Images: a list, and a new one whenever an event says that something changed."""

from tui.clients import Client
from tui.informers.informer import Informer
from tui.informers.link import Link
from tui.models import Event, Image


class ImageInformer(Informer[Image]):
    """One event changes names of several images at once, so each leads to a whole list."""

    def __init__(self, client: Client, link: Link) -> None:
        super().__init__(link)
        self._client = client

    async def sync(self) -> None:
        """Lists."""
        self.replace(await self._client.images.list())

    def handle(self, event: Event) -> None:
        """Any image event asks for a list; a burst of them for one."""
        if event.kind == "image":
            self.refresh()

    async def work(self) -> None:
        """Lists when asked, until cancelled.

        Raises:
            Unreachable: when the engine is lost.
        """
        while True:
            await self.relist.wait()
            self.relist.clear()
            await self.sync()
