"""Snapshots by overlayfs: layers stay apart, the kernel stacks them at the container's start.

Lower directories are named through short links (`l/<name>`), because all of them together must
fit in the one page that mount(2) takes.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from engine.errors import Conflict
from engine.oci.digest import Digest
from engine.runtime import userns
from engine.runtime.mount import Mount
from engine.snapshots import tree
from engine.snapshots.layers import TREE, Layers
from engine.snapshots.snapshotter import ByteReader, Layer, Usage
from engine.snapshots.unpack import unpack
from engine.snapshots.writable import Writable

_UPPER, _WORK = "fs", "work"
_MARK = "incompat"
_LINK_LENGTH = 4
_SPECIAL = str.maketrans({":": "\\:", "\\": "\\\\", ",": "\\,"})


class Overlay:
    """The default `Snapshotter`."""

    name = "overlay"

    def __init__(self, root: Path) -> None:
        self._options = ("userxattr",) if userns.rootless() else ("index=off",)
        self._links = root / "l"
        self._links.mkdir(parents=True, exist_ok=True)
        self._layers = Layers(root)
        self._writable = Writable(root, self._layers, (_UPPER, _WORK))
        self._names: dict[Digest, str] = {}

    async def unpack(
        self,
        chain_id: Digest,
        parent: Digest | None,
        diff_id: Digest,
        open_layer: Callable[[], ByteReader],
    ) -> Layer:
        def make(target: Path) -> Layer:
            done = unpack(target, diff_id, open_layer, marks=parent is not None)
            return Layer(chain_id, parent, done.size, done.entries, done.opaque)

        return await self._layers.add(chain_id, parent, make)

    def layer(self, chain_id: Digest) -> Layer | None:
        return self._layers.get(chain_id)

    async def prepare(self, key: str, parent: Digest | None) -> tuple[Mount, ...]:
        if parent is not None:
            self._layers.require(parent)
        await self._writable.add(key, parent, _make_directories)
        return self.mounts(key)

    def mounts(self, key: str) -> tuple[Mount, ...]:
        path = self._writable.path(key)
        lower = [
            self._link(layer.chain_id) for layer in self._layers.chain(self._writable.parent(key))
        ]
        if not lower:
            return (Mount("bind", str(path / _UPPER), "", ("rbind", "rw")),)
        options = (
            *self._options,
            "lowerdir=" + ":".join(lower),
            f"upperdir={escaped(path / _UPPER)}",
            f"workdir={escaped(path / _WORK)}",
        )
        return (Mount("overlay", "overlay", "", options),)

    @asynccontextmanager
    async def shown(self, key: str, *, lasting: bool = True) -> AsyncIterator[tuple[Mount, ...]]:
        """The kernel writes all that is dirty on the file system below to the disk when an overlay
        goes, and its container's end waits for that; a `volatile` one goes at once.

        The kernel refuses to mount a `volatile` one again until its mark is gone
        (Documentation/filesystems/overlayfs.rst).
        """
        mounts = self.mounts(key)
        if lasting or mounts[0].type != "overlay":
            yield mounts
            return
        mark = self._writable.path(key) / _WORK / _WORK / _MARK
        if mark.exists():
            await asyncio.to_thread(tree.remove, mark)
        yield (mounts[0]._replace(options=(*mounts[0].options, "volatile")),)

    async def remove(self, key: str) -> None:
        await self._writable.remove(key)

    async def remove_layer(self, chain_id: Digest) -> None:
        if chain_id in self._writable.parents():
            raise Conflict(f"layer {chain_id} is in use by a container")
        await self._layers.remove(chain_id)
        name = self._names.pop(chain_id, None)
        if name is not None:
            (self._links / name).unlink(missing_ok=True)

    def usage(self, key: str) -> Usage:
        return tree.usage(self._writable.path(key) / _UPPER)

    def has(self, key: str) -> bool:
        return self._writable.has(key)

    def keys(self) -> list[str]:
        return self._writable.keys()

    def layers(self) -> Iterable[Digest]:
        return tuple(self._layers)

    async def clean(self) -> None:
        await asyncio.to_thread(self._layers.clean)
        for link in self._links.iterdir():
            if not link.exists():
                link.unlink()

    def _link(self, chain_id: Digest) -> str:
        """The short name of a layer's tree; longer where two digests begin alike."""
        name = self._names.get(chain_id)
        if name is None:
            name = self._names[chain_id] = self._new_link(chain_id)
        return escaped(self._links / name)

    def _new_link(self, chain_id: Digest) -> str:
        target = os.path.relpath(self._layers.tree(chain_id), self._links)
        length = _LINK_LENGTH
        while True:
            name = chain_id.encoded[:length]
            with suppress(FileExistsError):
                os.symlink(target, self._links / name)
                return name
            if os.readlink(self._links / name) == target:
                return name
            length += 1


def _make_directories(working: Path) -> None:
    for name in (_UPPER, _WORK):
        (working / name).mkdir()
        (working / name).chmod(0o755)
    working.chmod(0o711)


def escaped(path: Path) -> str:
    return str(path).translate(_SPECIAL)


__all__ = ["TREE", "Overlay"]
