"""Directories of an extraction as open descriptors, reached one component at a time.

The kernel follows no symlink here, so nothing that the archive made can lead outside the root;
links on the way to an entry are resolved by name, as long as they stay inside.
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
_LINKS_LIMIT = 40  # as the kernel's own
_OUT = ", which leads out of the root"


class Directories:
    """Opens, makes and forgets directories below `root`, a descriptor that stays the caller's.

    A descriptor handed out is valid until the next call, and so is a place that `real` gave while
    no entry is replaced. `replace` is asked when a whiteout mark stands where a directory is
    needed, and puts one there.
    """

    def __init__(self, root: int, replace: Callable[[int, str], None] | None = None) -> None:
        self._root = root
        self._replace = replace
        self._open: dict[Place, int] = {}

    def real(self, place: Place) -> Place:
        """Where `place` is once the links on its way are resolved; what is missing stays as it is.

        Raises UnsafeArchive for a link that is absolute or climbs out of the root.
        """
        if not place or place in self._open:
            return place
        at: Place = ()
        link: Place = ()
        left, links, is_lost = list(place), 0, False
        while left:
            name = left.pop(0)
            if name == "..":  # of a link: an entry's own name has none
                at, is_lost = _above(at, link), False
                continue
            step, target = (*at, name), None
            if not is_lost and step not in self._open:
                directory = self._look(at)
                is_lost = directory is None  # and so is all that is below
                target = _link(directory, name)
            if target is None:
                at = step
                continue
            link, links = step, links + 1
            if target.startswith("/") or links > _LINKS_LIMIT:
                raise _through("symbolic link", link, _OUT)
            left = [part for part in target.split("/") if part not in {"", "."}] + left
        return at

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

    def _look(self, place: Place) -> int | None:
        """Like `existing`; None also for what is no directory, which is for `open` to judge."""
        with suppress(UnsafeArchive):
            return self.existing(place)
        return None

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
    raise _through("symbolic link" if _is_link(lstat(current, place[-1])) else "file", place)


def _above(at: Place, link: Place) -> Place:
    if not at:
        raise _through("symbolic link", link, _OUT)
    return at[:-1]


def _through(what: str, place: Place, why: str = "") -> UnsafeArchive:
    return UnsafeArchive(f"an entry goes through the {what} {'/'.join(place)!r:.120}{why}")


def _link(directory: int | None, name: str) -> str | None:
    """What the link `name` says; None for anything else."""
    if directory is not None and _is_link(lstat(directory, name)):
        return os.readlink(name, dir_fd=directory)
    return None


def _is_link(status: os.stat_result | None) -> bool:
    return status is not None and stat.S_ISLNK(status.st_mode)


def lstat(directory: int, name: str) -> os.stat_result | None:
    """The status of a name, of a symlink itself; None when there is nothing."""
    with suppress(FileNotFoundError):
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    return None


def is_mark(status: os.stat_result | None) -> bool:
    """Whether overlayfs would take it for a deletion: a character device 0/0."""
    return status is not None and stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
