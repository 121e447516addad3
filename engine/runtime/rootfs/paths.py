"""Finding and making paths below a root that an image's author controls.

Every look-up is done by the kernel with RESOLVE_IN_ROOT: a symbolic link, absolute or with `..`,
is resolved as if the container's root were `/`, and links of /proc are refused. What is found is
held by a descriptor, so that it cannot be swapped before it is used.
"""

import errno
import os

from engine.runtime import syscalls

_RESOLVE = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
_LONGEST_CHAIN = 40  # links, as the kernel's own limit
_RACES = 32


def open_path(root: int, path: str, flags: int = os.O_PATH, resolve: int = 0) -> int:
    """Open `path` below `root`; by default only as a handle. Raises OSError."""
    relative = path.strip("/") or "."
    for _ in range(_RACES):
        try:
            return syscalls.openat2(root, relative, flags, resolve=_RESOLVE | resolve)
        except BlockingIOError:
            pass  # something was renamed while the kernel walked through `..`: walk again
    raise OSError(errno.EAGAIN, f"open {path}: renamed too often")


def make_directory(root: int, path: str, resolve: int = 0) -> int:
    """Open the directory, made with its parents (mode 0755) where missing."""
    return _make(root, path, True, resolve)


def make_file(root: int, path: str, resolve: int = 0) -> int:
    """Open the file as a handle; an empty one is made with its parents where missing."""
    return _make(root, path, False, resolve)


def magic(fd: int) -> str:
    """A path by which calls without a descriptor argument reach exactly what `fd` holds."""
    return f"/proc/self/fd/{fd}"


def _make(root: int, path: str, directory: bool, resolve: int) -> int:
    flags = os.O_PATH | (os.O_DIRECTORY if directory else 0)
    try:
        return open_path(root, path, flags, resolve)
    except FileNotFoundError:
        parts = [part for part in path.split("/") if part not in ("", ".")]
    for _ in range(_LONGEST_CHAIN):
        made = _make_missing(root, parts, directory, resolve)
        if isinstance(made, int):
            return made
        parts = made
    raise OSError(errno.ELOOP, f"open {path}: too many symbolic links")


def _make_missing(root: int, parts: list[str], directory: bool, resolve: int) -> int | list[str]:
    """Make and open what is missing; the spelled-out path if a dangling link is in the way."""
    parent = os.dup(root)
    try:
        for index, part in enumerate(parts):
            prefix, last = "/".join(parts[: index + 1]), index == len(parts) - 1
            leaf_file = last and not directory
            flags = os.O_PATH if leaf_file else os.O_PATH | os.O_DIRECTORY
            try:
                found = open_path(root, prefix, flags, resolve)
            except FileNotFoundError:
                try:
                    _make_one(parent, part, leaf_file)
                except FileExistsError:
                    followed = _follow(parent, parts, index)
                    os.close(parent)
                    return followed
                found = open_path(root, prefix, flags, resolve)
            os.close(parent)
            parent = found
    except BaseException:
        os.close(parent)
        raise
    return parent


def _make_one(parent: int, name: str, file: bool) -> None:
    if file:
        flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_WRONLY
        os.close(os.open(name, flags, 0o644, dir_fd=parent))
    else:
        os.mkdir(name, 0o755, dir_fd=parent)


def _follow(parent: int, parts: list[str], index: int) -> list[str]:
    try:
        link = os.readlink(parts[index], dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise
        return parts  # no link: another container that shares this tree was faster, so walk again
    start = [] if link.startswith("/") else parts[:index]
    return [*start, *(p for p in link.split("/") if p not in ("", ".")), *parts[index + 1 :]]
