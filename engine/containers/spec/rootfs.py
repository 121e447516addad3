"""Reading a container's files without mounting it: its layers merged as overlayfs would show them.

Every component is opened by descriptor with O_NOFOLLOW and links are resolved here, inside the
root, so that neither an image nor a running container can lead a read to a file of the host.
"""

import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack

from engine.errors import InvalidArgument
from engine.runtime.mount import Mount

LIMIT = 4 * 1024 * 1024
_LINKS = 40
_OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")


class Rootfs:
    """The merged view of directories, the uppermost first."""

    def __init__(self, layers: Sequence[str]) -> None:
        self._layers = tuple(layers)

    @classmethod
    def of(cls, mounts: Sequence[Mount]) -> "Rootfs":
        """From the mounts a snapshotter gives: an overlay, or a bind of one directory."""
        return cls([layer for mount in reversed(mounts) for layer in _layers(mount)])

    @classmethod
    def of_process(cls, pid: int) -> "Rootfs":
        """What a running process has as its root, with everything mounted there."""
        # The dot makes the kernel follow the magic link; all links below are resolved by us.
        return cls([f"/proc/{pid}/root/."])

    def read(self, path: str) -> bytes | None:
        """The content of a regular file of at most `LIMIT` bytes; None when there is none."""
        with ExitStack() as stack:
            found = self._resolve(path, stack)
            return None if found is None else _read(found)

    def exists(self, path: str) -> bool:
        """Whether the path leads to anything."""
        with ExitStack() as stack:
            return self._resolve(path, stack) is not None

    def _resolve(self, path: str, stack: ExitStack) -> int | None:
        """An O_PATH descriptor of what the path leads to."""
        trail = [[_open_root(layer, stack) for layer in self._layers]]
        left, links = _parts(path), 0
        while left:
            name = left.pop(0)
            if name == "..":
                trail = trail[:-1] or trail
                continue
            found = _lookup(trail[-1], name, stack)
            if not found:
                return None
            kind = os.fstat(found[0]).st_mode
            if not stat.S_ISLNK(kind):
                trail.append(found)
                continue
            target, links = os.readlink("", dir_fd=found[0]), links + 1
            if links > _LINKS:
                return None
            trail = trail[:1] if target.startswith("/") else trail
            left = _parts(target) + left
        return trail[-1][0] if trail[-1] else None


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _layers(mount: Mount) -> list[str]:
    if mount.type != "overlay":
        return [mount.source]
    upper = [o.partition("=")[2] for o in mount.options if o.startswith("upperdir=")]
    lower = [o.partition("=")[2] for o in mount.options if o.startswith("lowerdir=")]
    return [path for text in (*upper, *lower) for path in _split(text)]


def _split(text: str) -> list[str]:
    """Directories of lowerdir= and upperdir=; a backslash protects a colon or a comma."""
    paths = [""]
    escaped = False
    for character in text:
        if character == ":" and not escaped:
            paths.append("")
        elif character != "\\" or escaped:
            paths[-1] += character
        escaped = character == "\\" and not escaped
    return [path for path in paths if path]


def _open_root(layer: str, stack: ExitStack) -> int:
    """A layer may be named through a link of the engine's own."""
    descriptor = os.open(layer, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    stack.callback(os.close, descriptor)
    return descriptor


def _open(name: str, parent: int, stack: ExitStack) -> int | None:
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=parent)
    except (FileNotFoundError, NotADirectoryError):
        return None
    stack.callback(os.close, descriptor)
    return descriptor


def _lookup(directories: Sequence[int], name: str, stack: ExitStack) -> list[int]:
    """What overlayfs merges under a name: one entry, or the directories that shine through."""
    merged: list[int] = []
    for directory in directories:
        entry = _open(name, directory, stack)
        if entry is None:
            continue
        status = os.fstat(entry)
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            break  # a whiteout hides what is below
        if not stat.S_ISDIR(status.st_mode):
            return merged or [entry]
        merged.append(entry)
        if _is_opaque(entry):
            break
    return merged


def _is_opaque(directory: int) -> bool:
    for name in _OPAQUE:
        try:
            if os.getxattr(f"/proc/self/fd/{directory}", name) == b"y":
                return True
        except OSError:
            continue  # not set, or a file system without extended attributes
    return False


def _read(found: int) -> bytes | None:
    if not stat.S_ISREG(os.fstat(found).st_mode):
        return None
    # An O_PATH descriptor is reopened through /proc: the same file, whatever the name says now.
    with open(f"/proc/self/fd/{found}", "rb", buffering=0, opener=_open_patiently) as file:
        size = os.fstat(file.fileno()).st_size
        if size > LIMIT:
            raise InvalidArgument(f"a system file of the container is larger than {LIMIT} bytes")
        # A file of /proc says it has no bytes; /etc/passwd may lead to one that never ends.
        return file.read(size)


def _open_patiently(path: str, flags: int) -> int:
    """A container chooses what is opened here: nothing may be waited for or become a terminal."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
