"""Device nodes and links of the container's /dev."""

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import suppress

from . import syscalls
from .plan import DevicePlan
from .rootfs import paths

_ANYONE = stat.S_IFCHR | 0o666

# What the OCI runtime spec calls the default devices (config-linux.md).
DEFAULT = (
    DevicePlan("/dev/null", _ANYONE, 1, 3, 0, 0),
    DevicePlan("/dev/zero", _ANYONE, 1, 5, 0, 0),
    DevicePlan("/dev/full", _ANYONE, 1, 7, 0, 0),
    DevicePlan("/dev/random", _ANYONE, 1, 8, 0, 0),
    DevicePlan("/dev/urandom", _ANYONE, 1, 9, 0, 0),
    DevicePlan("/dev/tty", _ANYONE, 5, 0, 0, 0),
)

_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
)


def make_nodes(root: int, devices: Iterable[DevicePlan]) -> None:
    """Make each node below `root`; bind the host's where the kernel forbids mknod."""
    parents: dict[str, int] = {}
    for device in devices:
        directory, name = os.path.split(device.path)
        if directory not in parents:
            parents[directory] = paths.make_directory(root, directory)
        _make_node(parents[directory], name, device)
    for fd in parents.values():
        os.close(fd)


def _make_node(parent: int, name: str, device: DevicePlan) -> None:
    number = os.makedev(device.major, device.minor)
    try:
        os.mknod(name, device.mode, number, dir_fd=parent)
    except FileExistsError:
        if _same(parent, name, device.mode, number):
            return
        os.unlink(name, dir_fd=parent)
        os.mknod(name, device.mode, number, dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EACCES):
            raise
        _bind(parent, name, device)
        return
    if device.uid or device.gid:
        os.chown(name, device.uid, device.gid, dir_fd=parent, follow_symlinks=False)


def _same(parent: int, name: str, mode: int, number: int) -> bool:
    return _is(os.stat(name, dir_fd=parent, follow_symlinks=False), mode, number)


def _is(status: os.stat_result, mode: int, number: int) -> bool:
    return stat.S_IFMT(status.st_mode) == stat.S_IFMT(mode) and status.st_rdev == number


def _bind(parent: int, name: str, device: DevicePlan) -> None:
    tree = syscalls.open_tree(syscalls.AT_FDCWD, device.path, syscalls.OPEN_TREE_CLONE)
    if not _is(os.fstat(tree), device.mode, os.makedev(device.major, device.minor)):
        what = f"device {device.major}:{device.minor} for {device.path}"
        text = f"{what} may not be made here, and the host's {device.path} is another"
        raise OSError(errno.EPERM, text)
    target = paths.make_file(parent, name)
    syscalls.move_mount(tree, target)
    os.close(tree)
    os.close(target)


def make_links(root: int) -> None:
    """The links every program expects in /dev; what the image brought stays."""
    parent = paths.make_directory(root, "/dev")
    links = list(_LINKS)
    if os.path.exists("/proc/kcore"):
        links.append(("core", "/proc/kcore"))
    for name, target in links:
        _link(parent, name, target)
    _replace_ptmx(parent)
    os.close(parent)


def _link(parent: int, name: str, target: str) -> None:
    with suppress(FileExistsError):  # the image's own, which is what its author wanted
        os.symlink(target, name, dir_fd=parent)


def _replace_ptmx(parent: int) -> None:
    """A ptmx node would open the host's pseudo terminals; the link opens the container's."""
    with suppress(FileNotFoundError):  # a fresh /dev has none
        os.unlink("ptmx", dir_fd=parent)
    os.symlink("pts/ptmx", "ptmx", dir_fd=parent)
