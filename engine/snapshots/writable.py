"""The writable snapshots of a snapshotter: one directory a key, renamed in when complete."""

import asyncio
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from engine.errors import AlreadyInUse, InvalidArgument, NotFound
from engine.oci.digest import Digest
from engine.snapshots import tree
from engine.snapshots.layers import Layers

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_RECORD = "snapshot.json"


class Writable:
    """`make(directory)` fills a new snapshot's directory, in a thread."""

    def __init__(self, root: Path, layers: Layers) -> None:
        self._root = root / "snapshots"
        self._root.mkdir(parents=True, exist_ok=True)
        self._layers = layers

    def keys(self) -> list[str]:
        return sorted(path.name for path in self._root.iterdir())

    def has(self, key: str) -> bool:
        return self._place(key).is_dir()

    def path(self, key: str) -> Path:
        """The directory of a snapshot. Raises NotFound, or InvalidArgument for a bad key."""
        path = self._place(key)
        if not path.is_dir():
            raise NotFound(f"no such snapshot: {key}")
        return path

    def parent(self, key: str) -> Digest | None:
        """The layer that a snapshot stands on."""
        record = json.loads((self.path(key) / _RECORD).read_text())
        return Digest.parse(record["parent"]) if record["parent"] else None

    async def add(self, key: str, parent: Digest | None, make: Callable[[Path], None]) -> None:
        """Raises AlreadyInUse when the key is taken."""
        place = self._place(key)
        if place.exists():
            raise AlreadyInUse(f"snapshot {key} exists already")
        await asyncio.to_thread(self._add, place, parent, make)

    async def remove(self, key: str) -> None:
        place = self._place(key)
        if place.exists():
            await asyncio.to_thread(self._layers.discard, place)

    def parents(self) -> set[Digest]:
        """The layers that snapshots stand on."""
        return {parent for key in self.keys() if (parent := self.parent(key)) is not None}

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

    def _place(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise InvalidArgument(f"invalid snapshot key: {key!r:.80}")
        return self._root / key
