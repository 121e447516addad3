"""Keeps the layout's `index.json` like the catalogue, off the loop and never two at a time."""

import asyncio
import logging

from engine.content import Store
from engine.images.catalogue import Catalogue

_log = logging.getLogger(__name__)


class IndexWriter:
    """The tables are the truth, so a crash before a write loses nothing: start writes again."""

    def __init__(self, store: Store, catalogue: Catalogue) -> None:
        self._store = store
        self._catalogue = catalogue
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(self) -> None:
        """Write what the catalogue says now; a full disk only keeps other tools from knowing."""
        async with self._lock:
            try:
                await asyncio.to_thread(self._store.write_index, self._catalogue.index())
            except OSError as error:
                _log.error("index.json of %s is not up to date: %s", self._store.root, error)

    def request(self) -> None:
        """Write soon."""
        task = asyncio.ensure_future(self.write())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        await asyncio.gather(*self._tasks)
