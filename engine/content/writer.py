"""One blob on its way into the store: temporary file, fsync, rename."""

import errno
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from engine.errors import DigestMismatch, Unavailable
from engine.oci.digest import Digest

_FULL = {errno.ENOSPC, errno.EDQUOT}


class Writer:
    """Write, then `commit`; leaving the context without a commit leaves nothing behind.

    Attributes:
        size: bytes written so far.
    """

    def __init__(self, directory: Path, place: Callable[[Digest], Path]) -> None:
        self._place = place
        self._hash = hashlib.sha256()
        self._descriptor, name = tempfile.mkstemp(dir=directory)
        self._path = Path(name)
        self.size = 0

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)
        self._path.unlink(missing_ok=True)

    def write(self, data: bytes | memoryview) -> None:
        """Raises Unavailable when the disk is full."""
        self._hash.update(data)
        self.size += len(data)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            if error.errno in _FULL:
                raise Unavailable("no space left on the device to store an image") from error
            raise

    @property
    def digest(self) -> Digest:
        """sha256 of what was written so far."""
        return Digest("sha256:" + self._hash.hexdigest())

    def commit(self, expected: Digest | None = None) -> Digest:
        """Make the blob visible under its digest, over one that may be damaged.

        Raises DigestMismatch.
        """
        digest = self._verified(expected)
        place = self._place(digest)
        place.parent.mkdir(exist_ok=True)
        os.fchmod(self._descriptor, 0o644)
        os.fsync(self._descriptor)
        self._path.replace(place)
        sync_directory(place.parent)
        return digest

    def _verified(self, expected: Digest | None) -> Digest:
        if expected is None or expected == self.digest:
            return self.digest
        if expected.algorithm != "sha256" and self._rehash(expected.algorithm) == expected:
            return expected
        raise DigestMismatch(f"content is {self.digest}, expected {expected}")

    def _rehash(self, algorithm: str) -> Digest:
        """Other algorithms are rare: the file is read a second time."""
        with open(self._path, "rb") as file:
            return Digest(f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}")


def sync_directory(path: Path) -> None:
    """Make renames in `path` last through a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
