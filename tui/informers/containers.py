"""Containers: one list, then one inspect for each container an event names."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from tui.clients import Client, ClientError, NotFound, Unreachable
from tui.informers.informer import Informer
from tui.informers.link import Link
from tui.models import Container, Event

CONCURRENT = 4
REMEMBERED = 1000
"""Ids of removed containers kept, oldest forgotten first; an id is never used twice."""
QUIET_VERBS = frozenset(
    {
        "archive-path",
        "attach",
        "commit",
        "copy",
        "detach",
        "exec_create",
        "exec_detach",
        "exec_die",
        "exec_start",
        "export",
        "extract-to-dir",
        "resize",
        "top",
    }
)
"""Events after which a container is what it was."""


class ContainerInformer(Informer[Container]):
    """The list call knows no restarts, limits or times; those are filled in behind it, once."""

    def __init__(self, client: Client, link: Link) -> None:
        super().__init__(link)
        self._client = client
        self._wanted: dict[str, None] = {}
        self._work = asyncio.Event()
        self._gone: dict[str, None] = {}

    async def sync(self) -> None:
        """Lists, keeps what earlier inspects told, and asks for new ones."""
        listed = await self._client.containers.list()
        rows = [row for row in listed if row.id not in self._gone]
        self.replace(self._merged(row) for row in rows)
        for row in sorted(rows, key=lambda row: not row.running):
            self._want(row.id)

    def _merged(self, row: Container) -> Container:
        old = self._items.get(row.id)
        if old is None or not old.detailed or old.state is not row.state:
            return row
        return replace(old, name=row.name, status_text=row.status_text)

    def handle(self, event: Event) -> None:
        """Notes what an event makes necessary; the work is done by ``work``."""
        if event.kind != "container" or event.verb in QUIET_VERBS:
            return
        if event.verb == "destroy":
            self._bury(event.id)
        else:
            self._want(event.id)

    def _bury(self, key: str) -> None:
        """An answer that was on its way before the end is no news after it."""
        self._wanted.pop(key, None)
        self._gone[key] = None
        if len(self._gone) > REMEMBERED:
            del self._gone[next(iter(self._gone))]
        self.drop(key)

    def _want(self, key: str) -> None:
        self._wanted[key] = None
        self._work.set()

    def refresh(self) -> None:
        """Asks for a new list."""
        super().refresh()
        self._work.set()

    async def work(self) -> None:
        """Inspects what was asked for, a few at a time, until cancelled.

        Raises:
            Unreachable: when the engine is lost.
        """
        while True:
            await self._work.wait()
            self._work.clear()
            if self.relist.is_set():
                self.relist.clear()
                await self.sync()
            while self._wanted:
                await self._inspect_some(list(self._wanted)[:CONCURRENT])

    async def _inspect_some(self, keys: Iterable[str]) -> None:
        chosen = list(keys)
        for key in chosen:
            self._wanted.pop(key, None)
        results = await asyncio.gather(*(self._inspected(key) for key in chosen))
        for key, container in zip(chosen, results, strict=True):
            if key in self._gone:
                continue
            if container is not None:
                self.put(container)
            elif key not in self._wanted:
                self.drop(key)

    async def _inspected(self, key: str) -> Container | None:
        """The container now, as it was when the engine cannot say, None when it is gone."""
        try:
            return (await self._client.containers.inspect(key)).container
        except NotFound:
            return None
        except Unreachable:
            raise
        except ClientError:
            return self._items.get(key)
