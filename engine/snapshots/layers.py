"""The unpacked layers of a snapshotter: made once, renamed into place when complete.

Everything of a layer is on the disk before the rename, so that a power failure cannot leave one
that only looks complete.

layers/<chain id hex>/fs          the tree
layers/<chain id hex>/layer.json  what it is; written before the rename, never after
tmp/                              what is being made; emptied at start
"""

import asyncio
import json
import logging
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.errors import Conflict, InvalidArgument, NotFound
from engine.oci import fields
from engine.oci.digest import Digest
from engine.runtime.syscalls import syncfs
from engine.snapshots import tree
from engine.snapshots.snapshotter import Layer
from engine.snapshots.whole import whole

_log = logging.getLogger(__name__)
TREE = "fs"
_RECORD = "layer.json"


class Layers:
    """Layers by chain id. `make` runs in a thread, at most once at a time for a chain id."""

    def __init__(self, root: Path) -> None:
        self._root = root / "layers"
        self.tmp = root / "tmp"
        for directory in (self._root, self.tmp):
            directory.mkdir(parents=True, exist_ok=True)
        self._locks: dict[Digest, asyncio.Lock] = {}
        self._known = dict(self._read_all())

    def __iter__(self) -> Any:
        return iter(tuple(self._known))

    def get(self, chain_id: Digest) -> Layer | None:
        return self._known.get(chain_id)

    def require(self, chain_id: Digest) -> Layer:
        """Raises NotFound when the layer is not unpacked."""
        if chain_id not in self._known:
            raise NotFound(f"layer {chain_id} is not unpacked; load its image again")
        return self._known[chain_id]

    def tree(self, chain_id: Digest) -> Path:
        return self._root / chain_id.encoded / TREE

    def chain(self, chain_id: Digest | None) -> list[Layer]:
        """The layer and all below it, topmost first, down to one that hides the rest."""
        found: list[Layer] = []
        while chain_id is not None:
            layer = self.require(chain_id)
            found.append(layer)
            chain_id = None if layer.opaque else layer.parent
        return found

    async def add(
        self, chain_id: Digest, parent: Digest | None, make: Callable[[Path], Layer]
    ) -> Layer:
        """The layer, made by `make(tree)` unless it is there already."""
        return await whole(self._add_one(chain_id, parent, make))

    async def remove(self, chain_id: Digest) -> None:
        """Raises Conflict while another layer stands on this one."""
        await whole(self._remove_one(chain_id))

    def clean(self) -> None:
        """Empty `tmp`: nothing in it was finished."""
        for left in self.tmp.iterdir():
            tree.remove(left)

    def discard(self, path: Path) -> None:
        """Delete a tree so that a crash in the middle leaves it in `tmp`, not half in place."""
        target = self.tmp / f"old-{secrets.token_hex(8)}"  # a full disk may have no room for more
        path.rename(target)
        tree.remove(target)

    async def _add_one(
        self, chain_id: Digest, parent: Digest | None, make: Callable[[Path], Layer]
    ) -> Layer:
        async with self._locks.setdefault(chain_id, asyncio.Lock()):
            known = self._known.get(chain_id)
            if known is not None:
                return known
            if parent is not None:
                self.require(parent)
            layer = await asyncio.to_thread(self._add, chain_id, make)
            self._known[chain_id] = layer
            return layer

    async def _remove_one(self, chain_id: Digest) -> None:
        async with self._locks.setdefault(chain_id, asyncio.Lock()):
            above = [layer for layer in self._known.values() if layer.parent == chain_id]
            if above:
                raise Conflict(f"layer {chain_id} has another on it: {above[0].chain_id}")
            if self._known.pop(chain_id, None) is not None:
                await asyncio.to_thread(self.discard, self._root / chain_id.encoded)

    def _add(self, chain_id: Digest, make: Callable[[Path], Layer]) -> Layer:
        working = Path(tempfile.mkdtemp(prefix="layer-", dir=self.tmp))
        try:
            filled = working / TREE
            filled.mkdir(mode=0o755)
            layer = make(filled)
            _write_record(working / _RECORD, layer)
            working.chmod(0o700)
            _sync(working)
            self._move_in(working, self._root / chain_id.encoded)
            return layer
        finally:
            tree.remove(working)

    def _move_in(self, working: Path, place: Path) -> None:
        if place.exists():  # set aside at start, because its record could not be read
            self.discard(place)
        working.rename(place)

    def _read_all(self) -> list[tuple[Digest, Layer]]:
        found = []
        for path in sorted(self._root.iterdir()):
            try:
                layer = _read_record(path / _RECORD)
            except (OSError, ValueError, InvalidArgument) as error:
                _log.warning("unpacked layer %s set aside, its record is damaged: %s", path, error)
                continue
            found.append((layer.chain_id, layer))
        return found


def _write_record(path: Path, layer: Layer) -> None:
    record = {
        "chain_id": layer.chain_id,
        "parent": layer.parent,
        "size": layer.size,
        "entries": layer.entries,
        "opaque": layer.opaque,
    }
    path.write_text(json.dumps(record))


def _sync(path: Path) -> None:
    descriptor = os.open(path, tree.DIRECTORY)
    try:
        syncfs(descriptor)
    finally:
        os.close(descriptor)


def _read_record(path: Path) -> Layer:
    record = fields.as_object(json.loads(path.read_text()), "layer.json")
    parent = fields.text(record, "parent")
    return Layer(
        chain_id=Digest.parse(fields.text(record, "chain_id")),
        parent=Digest.parse(parent) if parent else None,
        size=fields.integer(record, "size"),
        entries=fields.integer(record, "entries"),
        opaque=record.get("opaque") is True,
    )
