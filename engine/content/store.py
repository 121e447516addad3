"""Blobs by digest, kept as an OCI image layout that other tools read.

    oci-layout, index.json, blobs/<algorithm>/<hex>   as the image spec says
    ingest/                                           what is being written; emptied at start

Everything here blocks; callers in the loop use a thread.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from engine.content.writer import Writer, sync_directory
from engine.errors import InvalidArgument, NotFound
from engine.oci.descriptor import Descriptor
from engine.oci.digest import Digest
from engine.oci.index import Index

_VERSION = {"imageLayoutVersion": "1.0.0"}


class Store:
    """One image layout. Safe for concurrent use by threads: a blob appears whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = root / "blobs"
        self._ingest = root / "ingest"
        for directory in (self._blobs / "sha256", self._ingest):
            directory.mkdir(parents=True, exist_ok=True)
        if not (root / "oci-layout").exists():
            self._replace("oci-layout", _VERSION)
        if not (root / "index.json").exists():
            self.write_index(())

    def writer(self) -> Writer:
        """A blob to be written; a context manager, see `Writer`."""
        return Writer(self._ingest, self.path)

    def ingest(self, chunks: Iterable[bytes], expected: Digest | None = None) -> Digest:
        """Write a blob as its chunks come.

        Raises DigestMismatch when it is not `expected`, Unavailable when the disk is full; then
        nothing is left.
        """
        with self.writer() as writer:
            for chunk in chunks:
                writer.write(chunk)
            return writer.commit(expected)

    def add(self, data: bytes) -> Digest:
        """Write a small blob."""
        return self.ingest((data,))

    def adopt(self, path: Path, digest: Digest) -> None:
        """Move a file of `scratch()`, whose digest the caller has computed, in as a blob.

        It replaces a blob that is there, because that one may be damaged.
        """
        place = self.path(digest)
        with path.open("rb") as file:
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        path.replace(place)
        sync_directory(place.parent)

    def open(self, digest: Digest) -> BinaryIO:
        """Raises NotFound."""
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError:
            raise NotFound(f"no such blob: {digest}") from None

    def read(self, digest: Digest) -> bytes:
        """The whole blob, for documents; layers go through `open`. Raises NotFound."""
        with self.open(digest) as file:
            return file.read()

    def size(self, digest: Digest) -> int:
        """Bytes. Raises NotFound."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            raise NotFound(f"no such blob: {digest}") from None

    def exists(self, digest: Digest) -> bool:
        return self.path(digest).is_file()

    def delete(self, digest: Digest) -> None:
        """One that is gone already is no error."""
        self.path(digest).unlink(missing_ok=True)

    def digests(self) -> Iterator[Digest]:
        """Every blob there is."""
        for directory in sorted(self._blobs.iterdir()):
            names = sorted(os.listdir(directory)) if directory.is_dir() else []
            for name in names:
                with suppress(InvalidArgument):  # a stranger's file: not ours to judge or delete
                    yield Digest.parse(f"{directory.name}:{name}")

    def path(self, digest: Digest) -> Path:
        return self._blobs / digest.algorithm / digest.encoded

    def scratch(self) -> Path:
        """A new temporary directory on the blobs' file system; the caller removes it."""
        return Path(tempfile.mkdtemp(dir=self._ingest))

    def index(self) -> Index:
        """What `index.json` lists. Raises InvalidArgument or ValueError when it is damaged."""
        return Index.from_json(json.loads((self.root / "index.json").read_text()))

    def write_index(self, manifests: Sequence[Descriptor]) -> None:
        """Replace `index.json`."""
        self._replace("index.json", Index(tuple(manifests)).to_json())

    def clean(self) -> None:
        """Remove what an interrupted ingest left. Call before anything else."""
        for left in self._ingest.iterdir():
            _remove(left)

    def _replace(self, name: str, document: object) -> None:
        with tempfile.NamedTemporaryFile("w", dir=self._ingest, delete=False) as file:
            draft = Path(file.name)
            try:
                json.dump(document, file)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                draft.unlink()
                raise
        draft.chmod(0o644)
        draft.replace(self.root / name)
        sync_directory(self.root)


def _remove(path: Path) -> None:
    """Scratch directories hold files only."""
    if path.is_dir():
        for inner in path.iterdir():
            inner.unlink()
        path.rmdir()
    else:
        path.unlink()
