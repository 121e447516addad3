"""The writable snapshots of a snapshotter: one directory a key, renamed in when complete."""

import asyncio
import json
import logging
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.errors import AlreadyInUse, InvalidArgument, NotFound
from engine.oci import fields
from engine.oci.digest import Digest
from engine.snapshots import tree
from engine.snapshots.layers import Layers

_log = logging.getLogger(__name__)
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_RECORD = "snapshot.json"


class Writable:
    """`make(directory)` fills a new snapshot's directory, in a thread."""

    def __init__(self, root: Path, layers: Layers) -> None:
        self._root = root / "snapshots"
        self._root.mkdir(parents=True, exist_ok=True)
        self._layers = layers
        self._parents = dict(self._read_all())

    def has(self, key: str) -> bool:
        return key in self._parents

    def keys(self) -> list[str]:
        return sorted(self._parents)

    def path(self, key: str) -> Path:
        """The directory of a snapshot. Raises NotFound."""
        if key not in self._parents:
            raise NotFound(f"no such snapshot: {key}")
        return self._root / key

    def parent(self, key: str) -> Digest | None:
        """The layer that a snapshot stands on."""
        return self._parents[key]

    async def add(self, key: str, parent: Digest | None, make: Callable[[Path], None]) -> None:
        """Raises AlreadyInUse when the key is taken."""
        place = self._place(key)
        if place.exists():
            raise AlreadyInUse(f"snapshot {key} exists already")
        await asyncio.to_thread(self._add, place, parent, make)
        self._parents[key] = parent

    async def remove(self, key: str) -> None:
        place = self._place(key)
        if place.exists():
            await asyncio.to_thread(self._layers.discard, place)
        self._parents.pop(key, None)

    def parents(self) -> set[Digest]:
        """The layers that snapshots stand on."""
        return {parent for parent in self._parents.values() if parent is not None}

    def _add(self, place: Path, parent: Digest | None, make: Callable[[Path], None]) -> None:
        working = Path(tempfile.mkdtemp(prefix="snapshot-", dir=self._layers.tmp))
        try:
            make(working)
            (working / _RECORD).write_text(json.dumps({"parent": parent}))
            try:
                working.rename(place)
            except OSError:
                if place.exists():
                    raise AlreadyInUse(f"snapshot {place.name} exists already") from None
                raise
        finally:
            tree.remove(working)

    def _read_all(self) -> Iterator[tuple[str, Digest | None]]:
        for path in sorted(self._root.iterdir()):
            try:
                record = fields.as_object(json.loads((path / _RECORD).read_text()), _RECORD)
                parent = fields.text(record, "parent")
                yield path.name, Digest.parse(parent) if parent else None
            except (OSError, ValueError, InvalidArgument) as error:
                _log.warning("snapshot %s set aside, its record is damaged: %s", path, error)

    def _place(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise InvalidArgument(f"invalid snapshot key: {key!r:.80}")
        return self._root / key
