"""Reads and writes of cgroup files. Nothing here knows what a file means."""

import errno
import os

from engine.errors import InvalidArgument

# v1 says PAGE_COUNTER_MAX rounded down to a page; nothing real comes near.
UNLIMITED = 1 << 62

# ENODEV: the cgroup was removed under an open file. EOPNOTSUPP: the file is there and its feature
# is switched off.
GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP})

# Not the value's fault: nothing can be written here by this process.
_NO_RIGHT = frozenset({errno.EPERM, errno.EROFS})

_CHUNK = 65536


def read(path: str) -> str:
    """Return the whole file; raises OSError naming the path."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := _read(fd, path):
            parts.append(part)
        return b"".join(parts).decode(errors="replace")
    finally:
        os.close(fd)


def _read(fd: int, path: str) -> bytes:
    try:
        return os.read(fd, _CHUNK)
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), path) from None


def write(path: str, text: str) -> None:
    """Write in one call, as the kernel wants it; raises OSError naming the path and the text."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        words = f"{os.strerror(error.errno or 0)}, writing {text!r}"
        raise OSError(error.errno, words, path) from None
    finally:
        os.close(fd)


def write_if_there(path: str, text: str) -> bool:
    """Write; False when this kernel has no such file."""
    try:
        write(path, text)
    except FileNotFoundError:
        return False
    return True


def limit(directory: str, name: str, text: str, field: str) -> bool:
    """Write one limit; False when this kernel has no such file.

    Raises InvalidArgument naming the field (below OCI's `linux.resources`) and the file when the
    kernel does not take the value.
    """
    try:
        return write_if_there(f"{directory}/{name}", text)
    except OSError as error:
        if error.errno in _NO_RIGHT:
            raise
        why = os.strerror(error.errno or 0)
        message = f"linux.resources.{field}: {name} does not take {text!r}: {why}"
        raise InvalidArgument(message) from error


def read_if_there(path: str) -> str:
    """Read; empty when there is no such file, or its device is gone while it is read."""
    try:
        return read(path)
    except OSError as error:
        if error.errno in GONE:
            return ""
        raise


def number(path: str) -> int | None:
    """A file of one number; None for `max`, for no such file and for v1's "no limit"."""
    text = read_if_there(path).strip()
    if not text or text == "max":
        return None
    value = int(text)
    return value if 0 <= value < UNLIMITED else None


def table(text: str) -> dict[str, int]:
    """Parse lines of `key value`."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}
