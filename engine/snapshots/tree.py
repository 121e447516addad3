"""Walking directory trees of strangers: any depth, few descriptors, never through a symlink."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from engine.snapshots.snapshotter import Usage

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEPTH_LIMIT = 2048  # what PATH_MAX allows; only a program that nests on purpose goes deeper


def walk(root: Path) -> Iterator[tuple[int, list[os.DirEntry[str]]]]:
    """Every directory of a tree, top down: an open descriptor of it and its entries.

    The descriptor is valid until the next step. A directory that goes away, or is moved while a
    container still writes there, ends its branch quietly.
    """
    top = os.open(root, DIRECTORY)
    try:
        yield from _branches(top)
    finally:
        os.close(top)


def _branches(top: int) -> Iterator[tuple[int, list[os.DirEntry[str]]]]:
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        place = waiting.pop()
        with suppress(FileNotFoundError, NotADirectoryError):
            directory = descend(top, place)
            try:
                with os.scandir(directory) as scan:
                    entries = list(scan)
                yield directory, entries
            finally:
                os.close(directory)
            if len(place) < _DEPTH_LIMIT:
                inner = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
                waiting += [(*place, name) for name in inner]


def descend(top: int, place: tuple[str, ...]) -> int:
    """A new descriptor of the directory `place` below `top`, one component at a time.

    Raises NotADirectoryError for a symlink on the way.
    """
    current = os.open(".", DIRECTORY, dir_fd=top)
    for name in place:
        try:
            inner = os.open(name, DIRECTORY, dir_fd=current)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise NotADirectoryError(errno.ENOTDIR, "is a symbolic link", name) from None
            raise
        finally:
            os.close(current)
        current = inner
    return current


def usage(root: Path) -> Usage:
    """Bytes and inodes below `root`, as Docker counts (directory.Size): what the files hold.

    Hard links count once; directories have no bytes; the root itself does not count.
    """
    size, inodes = 0, 0
    seen: set[tuple[int, int]] = set()
    for directory, entries in walk(root):
        for entry in entries:
            with suppress(FileNotFoundError):
                status = os.stat(entry.name, dir_fd=directory, follow_symlinks=False)
                if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                    identity = (status.st_dev, status.st_ino)
                    if identity in seen:
                        continue
                    seen.add(identity)
                size += 0 if stat.S_ISDIR(status.st_mode) else status.st_size
                inodes += 1
    return Usage(size, inodes)


def remove(root: Path) -> None:
    """Delete a tree of any depth; one that is not there is no error.

    Deeper directories are moved up to the top before they are emptied, so that neither the
    recursion limit nor PATH_MAX nor the descriptor limit matters.
    """
    with suppress(FileNotFoundError):
        parent = os.open(root.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            remove_at(parent, root.name)
        finally:
            os.close(parent)


def remove_at(parent: int, name: str) -> None:
    """`remove`, for a name in an open directory; whatever kind of file it is."""
    try:
        top = os.open(name, DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        return  # gone already, which is what we want
    except OSError as error:
        if error.errno not in {errno.ENOTDIR, errno.ELOOP}:
            raise
        os.unlink(name, dir_fd=parent)
        return
    try:
        _empty(top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


def _empty(top: int) -> None:
    moved = 0
    while True:
        with os.scandir(top) as scan:
            entries = list(scan)
        if not entries:
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                moved = _empty_one(top, entry.name, moved)
            else:
                os.unlink(entry.name, dir_fd=top)


def _empty_one(top: int, name: str, moved: int) -> int:
    directory = os.open(name, DIRECTORY, dir_fd=top)
    try:
        with os.scandir(directory) as scan:
            entries = list(scan)
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=directory)
            elif not _rmdir(directory, entry.name):
                moved = _move_up(directory, entry.name, top, moved)
    finally:
        os.close(directory)
    os.rmdir(name, dir_fd=top)
    return moved


def _rmdir(directory: int, name: str) -> bool:
    try:
        os.rmdir(name, dir_fd=directory)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
        return False
    return True


def _move_up(directory: int, name: str, top: int, moved: int) -> int:
    while True:
        moved += 1
        try:
            os.rename(name, f".berth-{moved}", src_dir_fd=directory, dst_dir_fd=top)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
                raise
            continue  # a name that the tree itself holds
        return moved
