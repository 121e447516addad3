"""Where the files of an image to be loaded come from: a tar stream, or a layout directory.

Both hand documents out by path and move blobs into the store.
"""

import hashlib
import os
import posixpath
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from engine.content import Store
from engine.errors import InvalidArgument, Unavailable, UnsafeArchive
from engine.oci.digest import Digest
from engine.snapshots import tree
from engine.snapshots.archive.entry import Entry, Kind, split
from engine.snapshots.archive.extract import FULL
from engine.snapshots.archive.reader import TarReader
from engine.snapshots.snapshotter import ByteReader

_DOCUMENT_LIMIT = 4 << 20  # bytes of a manifest, a config, an index; as registries take them
_ENTRIES_LIMIT = 65536
_LINKS_LIMIT = 16


class Source(Protocol):
    """Files of an image by their path in the archive or layout."""

    def has(self, path: str) -> bool: ...

    def document(self, path: str) -> bytes:
        """A small file. Raises InvalidArgument when it is missing or too large."""

    def blob(self, path: str) -> tuple[Digest, int]:
        """Put a file into the store: its real digest and size. Raises InvalidArgument."""


@dataclass(slots=True)
class _Member:
    path: Path
    digest: Digest
    size: int
    stored: bool = False


class Spool:
    """The files of a tar stream, written to a scratch directory in one pass.

    A member's name in the archive is a key here and never a file name, so no name can do harm.
    """

    def __init__(self, store: Store, stream: ByteReader) -> None:
        self._store = store
        self._directory = store.scratch()
        self._members: dict[str, _Member] = {}
        self._links: dict[str, str] = {}
        try:
            self._read(TarReader(stream))
        except OSError as error:
            self.close()
            if error.errno in FULL:
                raise Unavailable("no space left on the device to store an image") from error
            raise
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        tree.remove(self._directory)

    def has(self, path: str) -> bool:
        return self._find(path) is not None

    def document(self, path: str) -> bytes:
        member = self._require(path)
        if member.size > _DOCUMENT_LIMIT:
            raise InvalidArgument(f"{path} in the archive is too large: {member.size} bytes")
        return self._store.read(member.digest) if member.stored else member.path.read_bytes()

    def blob(self, path: str) -> tuple[Digest, int]:
        member = self._require(path)
        if not member.stored:
            self._store.adopt(member.path, member.digest)
            member.stored = True
        return member.digest, member.size

    def _require(self, path: str) -> _Member:
        member = self._find(path)
        if member is None:
            raise InvalidArgument(f"the archive names {path!r:.160}, which is not in it")
        return member

    def _find(self, path: str) -> _Member | None:
        """Older archives say "the same layer as" by symlinks."""
        key = "/".join(split(path))
        for _ in range(_LINKS_LIMIT):
            if key not in self._links:
                return self._members.get(key)
            joined = posixpath.normpath(posixpath.join(posixpath.dirname(key), self._links[key]))
            key = "/".join(split(joined))
        raise UnsafeArchive(f"entry {path!r:.160}: too many symbolic links")

    def _read(self, tar: TarReader) -> None:
        for count, entry in enumerate(tar, 1):
            if count > _ENTRIES_LIMIT:
                raise UnsafeArchive(f"more than {_ENTRIES_LIMIT} entries: not an image archive")
            self._take(entry, tar, count)
        tar.drain()

    def _take(self, entry: Entry, tar: TarReader, number: int) -> None:
        key = "/".join(split(entry.name))
        if entry.kind is Kind.FILE:
            self._links.pop(key, None)
            self._members[key] = self._write(tar, self._directory / str(number))
        elif entry.kind is Kind.SYMLINK:
            self._links[key] = entry.link
        elif entry.kind is Kind.HARDLINK:
            self._links[key] = "/" + "/".join(split(entry.link))
        elif entry.kind is not Kind.DIRECTORY:
            raise UnsafeArchive(
                f"entry {entry.name!r:.120}: a {entry.kind} has no place in an image archive"
            )

    def _write(self, tar: TarReader, path: Path) -> _Member:
        digest = hashlib.sha256()
        size = 0
        with path.open("xb", buffering=0) as file:
            for piece in tar.data():
                digest.update(piece)
                size += len(piece)
                rest = piece
                while rest:
                    rest = rest[file.write(rest) or 0 :]
        return _Member(path, Digest("sha256:" + digest.hexdigest()), size)


class LayoutDirectory:
    """An OCI image layout on this host's disk. Its files are copied, never moved."""

    def __init__(self, store: Store, root: Path) -> None:
        self._store = store
        self._root = root

    def has(self, path: str) -> bool:
        return self._place(path).is_file()

    def document(self, path: str) -> bytes:
        with self._open(path) as file:
            data = file.read(_DOCUMENT_LIMIT + 1)
        if len(data) > _DOCUMENT_LIMIT:
            raise InvalidArgument(f"{path} in {self._root} is too large")
        return data

    def blob(self, path: str) -> tuple[Digest, int]:
        with self._open(path) as file, self._store.writer() as writer:
            while piece := file.read(1 << 20):
                writer.write(piece)
            return writer.commit(), writer.size

    def _open(self, path: str) -> BinaryIO:
        try:
            descriptor = os.open(self._place(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise InvalidArgument(f"cannot read {path} of the layout: {error}") from None
        file = os.fdopen(descriptor, "rb")
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            file.close()
            raise InvalidArgument(f"{path} of the layout {self._root} is not a file")
        return file

    def _place(self, path: str) -> Path:
        return self._root.joinpath(*split(path))
