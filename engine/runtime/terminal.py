"""Pseudo terminals of the container: opened in its own devpts, controlled by the monitor."""

import errno
import fcntl
import os
import stat
import struct
import termios

from . import syscalls
from .rootfs import paths

_TIOCGPTPEER = 0x5441
_TIOCSPTLCK = 0x40045431
_PTMX = os.makedev(5, 2)


def open_pair(root: int) -> tuple[int, int]:
    """(master, slave) from the devpts of the container whose root `root` is.

    Raises OSError when /dev/pts/ptmx is not the kernel's (the image's file would be opened).
    """
    flags = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
    master = paths.open_path(root, "/dev/pts/ptmx", flags)
    status = os.fstat(master)
    if not stat.S_ISCHR(status.st_mode) or status.st_rdev != _PTMX:
        os.close(master)
        raise OSError(errno.ENODEV, "open /dev/pts/ptmx: no devpts is mounted there")
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("=i", 0))
    return master, open_peer(master)


def open_peer(master: int) -> int:
    """The slave of a master, without a path (ioctl_tty(2), TIOCGPTPEER). Raises OSError."""
    return fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)


def resize(master: int, rows: int, columns: int) -> None:
    """Set the window size; the kernel sends SIGWINCH to the foreground job."""
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("=4H", rows, columns, 0, 0))


def bind_console(root: int, slave: int) -> None:
    """Put the terminal at the container's /dev/console.

    Raises OSError when that is a link: its target, below /proc for one, would be mounted over
    (CVE-2025-52565).
    """
    directory = paths.make_directory(root, "/dev")
    target = paths.make_file(directory, "console", syscalls.RESOLVE_NO_SYMLINKS)
    os.close(directory)
    flags = syscalls.OPEN_TREE_CLONE | syscalls.AT_EMPTY_PATH
    tree = syscalls.open_tree(slave, "", flags)
    syscalls.move_mount(tree, target)
    os.close(tree)
    os.close(target)


def control(slave: int) -> None:
    """Make it this session's controlling terminal and the three standard streams."""
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(slave, fd)
