"""Namespaces: OCI names to clone flags, joining by path, and id maps of user namespaces."""

import os
from collections.abc import Sequence

from . import syscalls

FLAGS = {
    "cgroup": syscalls.CLONE_NEWCGROUP,
    "ipc": syscalls.CLONE_NEWIPC,
    "mount": syscalls.CLONE_NEWNS,
    "network": syscalls.CLONE_NEWNET,
    "pid": syscalls.CLONE_NEWPID,
    "time": syscalls.CLONE_NEWTIME,
    "user": syscalls.CLONE_NEWUSER,
    "uts": syscalls.CLONE_NEWUTS,
}

# By the names of /proc/PID/ns.
FILES = {
    "mnt" if name == "mount" else "net" if name == "network" else name: flag
    for name, flag in FLAGS.items()
}

_AT_BIRTH = syscalls.CLONE_NEWPID | syscalls.CLONE_NEWUSER
_LATER = syscalls.CLONE_NEWCGROUP | syscalls.CLONE_NEWTIME

_Join = Sequence[tuple[int, str]]
Mapping = Sequence[tuple[int, int, int]]


def at_birth(flags: int) -> int:
    """Those of new namespaces that a process is cloned into; the rest it makes itself."""
    return flags & ~_LATER


def enter_pid_namespace(namespaces: _Join) -> int | None:
    """Have children born in the pid namespace that `namespaces` names by path.

    Returns a descriptor for `leave_pid_namespace`, or None when no path is named.
    """
    path = next((path for flag, path in namespaces if flag == syscalls.CLONE_NEWPID), None)
    if path is None:
        return None
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _join(syscalls.CLONE_NEWPID, path)
    except OSError:
        os.close(own)
        raise
    return own


def leave_pid_namespace(own: int | None) -> None:
    """Have children born in this process's own pid namespace again."""
    if own is not None:
        syscalls.setns(own, syscalls.CLONE_NEWPID)
        os.close(own)


def join(namespaces: _Join) -> None:
    """Join each namespace by path, but for user and pid namespaces, which were entered at birth."""
    wanted = [each for each in namespaces if not each[0] & _AT_BIRTH]
    opened = [(flag, os.open(path, os.O_RDONLY | os.O_CLOEXEC)) for flag, path in wanted]
    for flag, fd in opened:
        syscalls.setns(fd, flag)
        os.close(fd)


def _join(flag: int, path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.setns(fd, flag)
    finally:
        os.close(fd)


def write_id_maps(pid: int, uids: Mapping, gids: Mapping) -> None:
    """Map the ids of `pid`'s new user namespace (user_namespaces(7)); once only."""
    if os.geteuid() != 0:
        _write(f"/proc/{pid}/setgroups", "deny")  # an unprivileged writer must give this up
    _write(f"/proc/{pid}/gid_map", _lines(gids))
    _write(f"/proc/{pid}/uid_map", _lines(uids))


def _lines(mappings: Mapping) -> str:
    return "".join(f"{inside} {outside} {count}\n" for inside, outside, count in mappings)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
