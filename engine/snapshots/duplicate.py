"""A whole tree copied: owners, modes, times, attributes, hard links, devices and holes.

Blocking; both trees belong to the engine, so nothing changes them meanwhile.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from engine.snapshots import tree

_PIECE = 1 << 22
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def duplicate(source: Path, target: Path) -> None:
    """Copy everything below `source` into the empty directory `target`, which becomes like it."""
    source = source.resolve()  # as the kernel names it
    links: dict[int, str] = {}
    directories: list[str] = []
    for directory, entries in tree.walk(source):
        place = os.path.relpath(os.readlink(f"/proc/self/fd/{directory}"), source)
        directories.append(place)
        for entry in entries:
            _copy(directory, entry, target / place / entry.name, links)
    for place in reversed(directories):
        _copy_metadata(source / place, target / place)


def _copy(directory: int, entry: os.DirEntry[str], target: Path, links: dict[int, str]) -> None:
    status = entry.stat(follow_symlinks=False)
    if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
        known = links.setdefault(status.st_ino, str(target))
        if known != str(target):
            os.link(known, target, follow_symlinks=False)
            return
    origin = Path(f"/proc/self/fd/{directory}") / entry.name
    if stat.S_ISDIR(status.st_mode):
        target.mkdir()
        return  # its metadata come when it is full
    if stat.S_ISREG(status.st_mode):
        _copy_data(origin, target, status.st_size)
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(origin), target)
    else:
        os.mknod(target, status.st_mode, status.st_rdev)
    _copy_metadata(origin, target)


def _copy_data(origin: Path, target: Path, size: int) -> None:
    reading = os.open(origin, _READ)
    try:
        writing = os.open(target, _WRITE, 0o600)
        try:
            os.ftruncate(writing, size)
            for start, end in _pieces(reading, size):
                _copy_piece(reading, writing, start, end)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _pieces(reading: int, size: int) -> list[tuple[int, int]]:
    """Where there are data, so that holes stay holes."""
    pieces: list[tuple[int, int]] = []
    end = 0
    while end < size:
        try:
            start = os.lseek(reading, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                break
            raise
        end = os.lseek(reading, start, os.SEEK_HOLE)
        pieces.append((start, end))
    return pieces


def _copy_piece(reading: int, writing: int, start: int, end: int) -> None:
    while start < end:
        done = os.copy_file_range(reading, writing, min(_PIECE, end - start), start, start)
        if not done:
            return
        start += done


def _copy_metadata(origin: Path, target: Path) -> None:
    status = origin.lstat()
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(target, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(origin, follow_symlinks=False):
        with suppress(PermissionError):
            value = os.getxattr(origin, name, follow_symlinks=False)
            os.setxattr(target, name, value, follow_symlinks=False)
    times = (status.st_atime_ns, status.st_mtime_ns)
    os.utime(target, ns=times, follow_symlinks=False)
