"""A cache of one kind of object, kept by a list and then by events."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

from tui.informers.link import Link
from tui.informers.watchers import Unsubscribe, Watchers


class Identified(Protocol):
    """What a cache can hold."""

    @property
    def id(self) -> str:
        """Never changes and is never used twice."""
        ...


Item = TypeVar("Item", bound=Identified)


class Informer(Generic[Item]):
    """Objects by id, and callbacks for what happens to them.

    ``items`` is live and read-only. A lost link leaves it as it was, with ``stale`` True; the
    list taken when the link heals is told as the difference, then as ``resynced``.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._items: dict[str, Item] = {}
        self.items: Mapping[str, Item] = MappingProxyType(self._items)
        self.synced = False
        self.relist = asyncio.Event()
        self._added: Watchers[[Item]] = Watchers()
        self._updated: Watchers[[Item, Item]] = Watchers()
        self._deleted: Watchers[[Item]] = Watchers()
        self._resynced: Watchers[[list[Item]]] = Watchers()
        self._changed: Watchers[[]] = Watchers()

    @property
    def stale(self) -> bool:
        """What is cached may no longer be true."""
        return not self._link.alive

    def watch(
        self,
        *,
        added: Callable[[Item], None] | None = None,
        updated: Callable[[Item, Item], None] | None = None,
        deleted: Callable[[Item], None] | None = None,
        resynced: Callable[[list[Item]], None] | None = None,
        changed: Callable[[], None] | None = None,
    ) -> Unsubscribe:
        """``updated`` gets (old, new); ``changed`` follows any of the others once."""
        undo = (
            self._added.add(added),
            self._updated.add(updated),
            self._deleted.add(deleted),
            self._resynced.add(resynced),
            self._changed.add(changed),
        )

        def unsubscribe() -> None:
            for drop in undo:
                drop()

        return unsubscribe

    def refresh(self) -> None:
        """Asks for a new list; it comes as ``resynced``."""
        self.relist.set()

    def replace(self, listed: Iterable[Item]) -> None:
        """Takes a whole list: tells the differences, then that all is known."""
        fresh = {item.id: item for item in listed}
        for key in [key for key in self._items if key not in fresh]:
            self._deleted(self._items.pop(key))
        for item in fresh.values():
            self._put(item)
        self.synced = True
        self._resynced(list(self._items.values()))
        self._changed()

    def put(self, item: Item) -> None:
        """Takes one object as it is now."""
        if self._put(item):
            self._changed()

    def _put(self, item: Item) -> bool:
        old = self._items.get(item.id)
        if old == item:
            return False
        self._items[item.id] = item
        if old is None:
            self._added(item)
        else:
            self._updated(old, item)
        return True

    def drop(self, key: str) -> None:
        """The object is gone; one that was never known is no news."""
        item = self._items.pop(key, None)
        if item is not None:
            self._deleted(item)
            self._changed()
