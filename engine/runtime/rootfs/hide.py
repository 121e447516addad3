"""Masked and read-only paths of the container. A path that does not exist needs neither."""

import os
import stat
from collections.abc import Iterable

from engine.runtime import mount as words
from engine.runtime import syscalls

from . import paths

_NULL = os.makedev(1, 3)


def make_readonly(root: int, targets: Iterable[str]) -> None:
    """Bind each tree on itself, read-only and otherwise as it was mounted."""
    for path in targets:
        fd = _open_existing(root, path)
        if fd is None:
            continue
        flags = syscalls.OPEN_TREE_CLONE | syscalls.AT_RECURSIVE | syscalls.AT_EMPTY_PATH
        tree = syscalls.open_tree(fd, "", flags)
        syscalls.mount_setattr(tree, attributes=words.ATTR_RDONLY, recursive=True)
        syscalls.move_mount(tree, fd)
        os.close(tree)
        os.close(fd)


def mask(root: int, targets: Iterable[str]) -> None:
    """Put /dev/null over files and an empty read-only directory over directories."""
    null = _open_null(root)
    empty: int | None = None
    for path in targets:
        fd = _open_existing(root, path)
        if fd is None:
            continue
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            _cover(null, fd)
        elif empty is None:
            syscalls.mount("tmpfs", paths.magic(fd), "tmpfs", words.MS_RDONLY, "mode=555")
            empty = paths.open_path(root, path)
        else:
            _cover(empty, fd)
        os.close(fd)
    os.close(null)
    if empty is not None:
        os.close(empty)


def _cover(source: int, target: int) -> None:
    tree = syscalls.open_tree(source, "", syscalls.OPEN_TREE_CLONE | syscalls.AT_EMPTY_PATH)
    syscalls.move_mount(tree, target)
    os.close(tree)


def _open_null(root: int) -> int:
    """The real null device: the container's, or the host's when an image put something else."""
    fd = _open_existing(root, "/dev/null")
    if fd is not None and _is_null(fd):
        return fd
    if fd is not None:
        os.close(fd)
    return os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)


def _is_null(fd: int) -> bool:
    status = os.fstat(fd)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == _NULL


def _open_existing(root: int, path: str) -> int | None:
    try:
        return paths.open_path(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return None
