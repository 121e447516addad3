"""tmpcopyup: a fresh tmpfs starts with what the image has where it is mounted.

Every name is reached from a descriptor of its directory and no link is followed: the tree is the
image's author's.
"""

import os
import stat

_PIECE = 1024 * 1024
_FOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC


def copy(source: int, target: int) -> None:
    """Copy the directory `source` into `target`, both by handle. Raises OSError.

    Owners, modes and times are kept; sockets are left out, and devices where they may not be made.
    """
    fds = [
        os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
        for fd in (source, target)
    ]
    try:
        _copy_directory(*fds)
    finally:
        for fd in fds:
            os.close(fd)


def _copy_directory(source: int, target: int) -> None:
    for name in os.listdir(source):
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        if _copy_one(source, target, name, status):
            _keep(target, name, status)


def _copy_one(source: int, target: int, name: str, status: os.stat_result) -> bool:
    """Whether there is a copy."""
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        os.mkdir(name, 0o700, dir_fd=target)
        _descend(source, target, name)
    elif kind == stat.S_IFREG:
        _copy_file(source, target, name)
    elif kind == stat.S_IFLNK:
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
    elif kind == stat.S_IFSOCK:
        return False
    else:
        return _make_node(target, name, status)
    return True


def _descend(source: int, target: int, name: str) -> None:
    flags = os.O_RDONLY | os.O_DIRECTORY | _FOLLOW
    inner = os.open(name, flags, dir_fd=source)
    try:
        outer = os.open(name, flags, dir_fd=target)
        try:
            _copy_directory(inner, outer)
        finally:
            os.close(outer)
    finally:
        os.close(inner)


def _copy_file(source: int, target: int, name: str) -> None:
    reader = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _FOLLOW, dir_fd=source)
    try:
        writer = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FOLLOW, 0o600, dir_fd=target)
        try:
            while os.sendfile(writer, reader, None, _PIECE):
                pass
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _make_node(target: int, name: str, status: os.stat_result) -> bool:
    try:
        os.mknod(name, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev, dir_fd=target)
    except PermissionError:
        return False
    return True


def _keep(target: int, name: str, status: os.stat_result) -> None:
    """The owner first: a change of it takes the set-user-id bit away."""
    os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=target)
    times = (status.st_atime_ns, status.st_mtime_ns)
    os.utime(name, ns=times, dir_fd=target, follow_symlinks=False)
