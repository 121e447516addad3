"""The writable snapshots of a snapshotter: one directory a key, renamed in when complete."""

import asyncio
import json
import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from engine.errors import AlreadyInUse, InvalidArgument, NotFound
from engine.oci import fields
from engine.oci.digest import Digest
from engine.snapshots import tree
from engine.snapshots.layers import Layers
from engine.snapshots.whole import whole

_log = logging.getLogger(__name__)
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_RECORD = "snapshot.json"


class Writable:
    """`make(directory)` fills a new snapshot's directory with `parts`, in a thread.

    A snapshot with a damaged record is not known until it is asked for again: then its files are
    found as they were, and only the record is written anew.
    """

    def __init__(self, root: Path, layers: Layers, parts: Sequence[str]) -> None:
        self._root = root / "snapshots"
        self._parts = tuple(parts)
        self._making: set[str] = set()
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
        if key in self._parents or key in self._making:
            raise AlreadyInUse(f"snapshot {key} exists already")
        self._making.add(key)
        try:
            await whole(self._add_one(place, parent, make))
        finally:
            self._making.discard(key)

    async def remove(self, key: str) -> None:
        await whole(self._remove_one(self._place(key)))

    def parents(self) -> set[Digest]:
        """The layers that snapshots stand on."""
        return {parent for parent in self._parents.values() if parent is not None}

    async def _add_one(
        self, place: Path, parent: Digest | None, make: Callable[[Path], None]
    ) -> None:
        await asyncio.to_thread(self._add, place, parent, make)
        self._parents[place.name] = parent

    async def _remove_one(self, place: Path) -> None:
        if place.exists():
            await asyncio.to_thread(self._layers.discard, place)
        self._parents.pop(place.name, None)

    def _add(self, place: Path, parent: Digest | None, make: Callable[[Path], None]) -> None:
        if place.exists():
            if all((place / part).is_dir() for part in self._parts):
                _write_record(place, parent)
                return
            self._layers.discard(place)
        working = Path(tempfile.mkdtemp(prefix="snapshot-", dir=self._layers.tmp))
        try:
            make(working)
            _write_record(working, parent)
            working.rename(place)
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


def _write_record(directory: Path, parent: Digest | None) -> None:
    new = directory / f"{_RECORD}.new"
    new.write_text(json.dumps({"parent": parent}))
    new.rename(directory / _RECORD)
