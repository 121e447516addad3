"""Snapshots by copying, for hosts without overlayfs: every layer is the whole tree so far."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from engine.errors import Conflict
from engine.oci.digest import Digest
from engine.runtime.mount import Mount
from engine.snapshots import tree
from engine.snapshots.duplicate import duplicate
from engine.snapshots.layers import Layers
from engine.snapshots.snapshotter import ByteReader, Layer, Usage
from engine.snapshots.unpack import hide, unpack
from engine.snapshots.writable import Writable

_ROOT = "fs"


class Copy:
    """A `Snapshotter` that needs nothing of the kernel, and disk space in plenty."""

    name = "copy"

    def __init__(self, root: Path) -> None:
        self._layers = Layers(root)
        self._writable = Writable(root, self._layers, (_ROOT,))

    async def unpack(
        self,
        chain_id: Digest,
        parent: Digest | None,
        diff_id: Digest,
        open_layer: Callable[[], ByteReader],
    ) -> Layer:
        def make(target: Path) -> Layer:
            if parent is not None:
                duplicate(self._layers.tree(parent), target)
                hide(target, open_layer)
            done = unpack(target, diff_id, open_layer, marks=False)
            return Layer(chain_id, parent, done.size, done.entries)

        return await self._layers.add(chain_id, parent, make)

    def layer(self, chain_id: Digest) -> Layer | None:
        return self._layers.get(chain_id)

    async def prepare(self, key: str, parent: Digest | None) -> tuple[Mount, ...]:
        origin = (
            None if parent is None else self._layers.tree(self._layers.require(parent).chain_id)
        )

        def make(working: Path) -> None:
            (working / _ROOT).mkdir(mode=0o755)
            if origin is not None:
                duplicate(origin, working / _ROOT)

        await self._writable.add(key, parent, make)
        return self.mounts(key)

    def mounts(self, key: str) -> tuple[Mount, ...]:
        return (Mount("bind", str(self._writable.path(key) / _ROOT), "", ("rbind", "rw")),)

    @asynccontextmanager
    async def shown(self, key: str, *, lasting: bool = True) -> AsyncIterator[tuple[Mount, ...]]:
        yield self.mounts(key)

    async def remove(self, key: str) -> None:
        await self._writable.remove(key)

    async def remove_layer(self, chain_id: Digest) -> None:
        if chain_id in self._writable.parents():
            raise Conflict(f"layer {chain_id} is in use by a container")
        await self._layers.remove(chain_id)

    def usage(self, key: str) -> Usage:
        """Of the whole copy: what it shares with its layer cannot be told apart."""
        return tree.usage(self._writable.path(key) / _ROOT)

    def has(self, key: str) -> bool:
        return self._writable.has(key)

    def keys(self) -> list[str]:
        return self._writable.keys()

    def layers(self) -> Iterable[Digest]:
        return tuple(self._layers)

    async def clean(self) -> None:
        await asyncio.to_thread(self._layers.clean)
