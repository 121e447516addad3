"""This runtime's own program, kept from whoever is root in a container (CVE-2019-5736).

What joins a container executes Python, and a process that is allowed to look into it finds the
interpreter's file by /proc/PID/exe: on a read-only mount it can be opened and not written to.
"""

import os
import sys

from engine.runtime import syscalls
from engine.runtime.mount import ATTR_RDONLY

_MARK = "read-only-interpreter"


def read_only_clone(path: str) -> int | None:
    """`path` on a read-only mount of its own, in no namespace; None where that cannot be had."""
    try:
        fd = syscalls.open_tree(syscalls.AT_FDCWD, path, syscalls.OPEN_TREE_CLONE)
    except OSError:  # Linux before 5.2, or no CAP_SYS_ADMIN
        return None
    try:
        syscalls.mount_setattr(fd, attributes=ATTR_RDONLY)
    except OSError:  # Linux before 5.12
        os.close(fd)
        return None
    return fd


def run_from_clone() -> None:
    """Execute this program once more, from such a clone; returns where it is, or cannot be, so."""
    if _MARK in sys._xoptions:
        return
    clone = read_only_clone(os.path.realpath(sys.executable))
    if clone is None:
        return
    first, *rest = sys.orig_argv
    try:
        os.execve(f"/proc/self/fd/{clone}", [first, "-X", _MARK, *rest], os.environ)
    except OSError:  # no /proc, or not executable that way: the plain one, then
        os.close(clone)
