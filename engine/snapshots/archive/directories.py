"""Directories of an extraction as open descriptors, reached one component at a time.

No step follows a symlink, so nothing that the archive made can lead outside the root.
"""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress

from engine.errors import UnsafeArchive
from engine.snapshots.tree import DIRECTORY

Place = tuple[str, ...]
_OPEN_LIMIT = 128


class Directories:
    """Opens, makes and forgets directories below `root`, a descriptor that stays the caller's.

    A descriptor handed out is valid until the next call. `replace` is asked when a whiteout mark
    stands where a directory is needed, and puts one there.
    """

    def __init__(self, root: int, replace: Callable[[int, str], None] | None = None) -> None:
        self._root = root
        self._replace = replace
        self._open: dict[Place, int] = {}

    def open(self, place: Place) -> int:
        """The directory at `place`; made, with its parents, when it is not there.

        Raises UnsafeArchive when something else is in the way.
        """
        if not place:
            return self._root
        found = self._open.get(place)
        return self._walk(place, self._enter_or_make) if found is None else found

    def existing(self, place: Place) -> int | None:
        """Like `open`, but makes nothing: None when a component is missing."""
        if not place:
            return self._root
        found = self._open.get(place)
        with suppress(FileNotFoundError):
            return self._walk(place, enter) if found is None else found
        return None

    def forget(self, place: Place) -> None:
        """Close what was open at or below a place that is about to be replaced."""
        depth = len(place)
        for known in [known for known in self._open if known[:depth] == place]:
            os.close(self._open.pop(known))

    def close(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def _walk(self, place: Place, step: Callable[[int, Place], int]) -> int:
        depth = len(place) - 1
        while depth and place[:depth] not in self._open:
            depth -= 1
        current = self._open[place[:depth]] if depth else self._root
        for end in range(depth + 1, len(place) + 1):
            current = self._keep(place[:end], step(current, place[:end]))
        return current

    def _keep(self, place: Place, descriptor: int) -> int:
        """The oldest goes when there are many; never the newest, which the caller stands in."""
        self._open[place] = descriptor
        if len(self._open) > _OPEN_LIMIT:
            os.close(self._open.pop(next(iter(self._open))))
        return descriptor

    def _enter_or_make(self, current: int, place: Place) -> int:
        try:
            return enter(current, place)
        except FileNotFoundError:
            os.mkdir(place[-1], dir_fd=current)
            os.chmod(place[-1], 0o755, dir_fd=current)  # whatever the engine's umask is
        except UnsafeArchive:
            if self._replace is None or not is_mark(lstat(current, place[-1])):
                raise
            self._replace(current, place[-1])
        return enter(current, place)


def enter(current: int, place: Place) -> int:
    """Open the last component of `place` in `current`.

    Raises UnsafeArchive when it is no directory, or a symlink to one; FileNotFoundError.
    """
    try:
        return os.open(place[-1], DIRECTORY, dir_fd=current)
    except OSError as error:
        if error.errno not in {errno.ENOTDIR, errno.ELOOP}:
            raise
    status = lstat(current, place[-1])
    what = "symbolic link" if status and stat.S_ISLNK(status.st_mode) else "file"
    raise UnsafeArchive(f"an entry goes through the {what} {'/'.join(place)!r:.120}")


def lstat(directory: int, name: str) -> os.stat_result | None:
    """The status of a name, of a symlink itself; None when there is nothing."""
    with suppress(FileNotFoundError):
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    return None


def is_mark(status: os.stat_result | None) -> bool:
    """Whether overlayfs would take it for a deletion: a character device 0/0."""
    return status is not None and stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
