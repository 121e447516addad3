"""Whiteouts of a layer tar (OCI layer spec): what they say, and overlayfs's marks for them.

A whiteout speaks of the layers below only, wherever in its own tar it stands.
"""

import os
import stat
from typing import NamedTuple

from engine.errors import UnsafeArchive
from engine.runtime import userns
from engine.snapshots import tree
from engine.snapshots.archive.directories import Directories, Place
from engine.snapshots.archive.entry import split
from engine.snapshots.archive.reader import TarReader

PREFIX = ".wh."
_OPAQUE = ".wh..wh..opq"
_AUFS = ".wh..wh."  # aufs's own bookkeeping, skipped as Docker does
_TRUSTED_XATTR, _USER_XATTR = "trusted.overlay.opaque", "user.overlay.opaque"


class Whiteout(NamedTuple):
    """`place` itself is hidden, or with `opaque` everything the layers below have inside it."""

    place: Place
    opaque: bool


def read(name: str, place: Place) -> Whiteout | None:
    """What a whiteout entry means; None for aufs's own files.

    Raises UnsafeArchive for one that names nothing, or `..`, or holds other entries.
    """
    if any(part.startswith(_AUFS) for part in place[:-1]):
        return None
    if any(part.startswith(PREFIX) for part in place[:-1]):
        raise UnsafeArchive(f"entry {name!r:.120}: a whiteout cannot hold anything")
    last = place[-1]
    if last == _OPAQUE:
        return Whiteout(place[:-1], opaque=True)
    if last.startswith(_AUFS):
        return None
    hidden = last.removeprefix(PREFIX)
    if hidden in {"", ".", ".."}:
        raise UnsafeArchive(f"entry {name!r:.120}: a whiteout without a name")
    return Whiteout((*place[:-1], hidden), opaque=False)


def mark_hidden(directory: int, name: str) -> None:
    """The kernel's mark for "deleted below": a character device 0/0 in its place.

    A directory that this layer has there only becomes opaque; another file covers by itself.
    """
    try:
        os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=directory)
    except FileExistsError:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            inner = os.open(name, tree.DIRECTORY, dir_fd=directory)
            try:
                mark_opaque(inner)
            finally:
                os.close(inner)


def mark_opaque(directory: int) -> None:
    """The kernel's mark for "nothing of below shows in here".

    Without root it is the one that overlayfs reads when mounted with `userxattr`.
    """
    os.setxattr(directory, _USER_XATTR if userns.rootless() else _TRUSTED_XATTR, b"y")


def replace_mark(directory: int, name: str) -> None:
    """Put an opaque directory where this layer first said "deleted below"."""
    os.unlink(name, dir_fd=directory)
    os.mkdir(name, 0o755, dir_fd=directory)
    mark_hidden(directory, name)


def apply(tar: TarReader, root: int) -> None:
    """Really delete from a copy of the layers below what the layer `tar` hides."""
    directories = Directories(root)
    try:
        for entry in tar:
            place = split(entry.name)
            if place and any(part.startswith(PREFIX) for part in place):
                whiteout = read(entry.name, place)
                if whiteout is not None:
                    _delete(directories, whiteout)
    finally:
        directories.close()


def _delete(directories: Directories, whiteout: Whiteout) -> None:
    if whiteout.opaque:
        place = directories.real(whiteout.place)
        directory = directories.existing(place)
        if directory is not None:
            for name in os.listdir(directory):
                directories.forget((*place, name))
                tree.remove_at(directory, name)
        return
    above, name = directories.real(whiteout.place[:-1]), whiteout.place[-1]
    parent = directories.existing(above)
    if parent is not None:
        directories.forget((*above, name))
        tree.remove_at(parent, name)
