"""The files a sample comes from, kept open, and how each is read. Bytes in, numbers out."""

import functools
import os
from collections.abc import Callable

_pread = os.pread  # looked up a thousand times a second for each figure
_FLAGS = os.O_RDONLY | os.O_CLOEXEC
# What a reading asks for: memory.stat of v2 is 2 KiB, a device's lines of blkio some 100 bytes.
LARGE = 16384
# A file of one number, or of a few lines. A small buffer is half the price of a large one.
SMALL = 256


class File:
    """One file read again and again from its start; opened at the first reading.

    `keep` leaves it open in between, which makes a reading ten times cheaper.
    """

    __slots__ = ("_fd", "_keep", "_path", "_size")

    def __init__(self, path: str, *, keep: bool, size: int = SMALL) -> None:
        self._path = path
        self._size = size
        self._keep = keep
        self._fd = -1

    def read(self) -> bytes:
        """The content; raises OSError when the file is not there, or its cgroup is gone."""
        fd = self._fd
        if fd >= 0:
            return _pread(fd, self._size, 0)
        fd = os.open(self._path, _FLAGS)
        if self._keep:
            self._fd = fd
            return os.pread(fd, self._size, 0)
        try:
            return os.pread(fd, self._size, 0)
        finally:
            os.close(fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def once(path: str) -> bytes:
    """Read a file that is not worth keeping open; empty when this kernel has no such file."""
    try:
        return File(path, keep=False, size=LARGE).read()
    except FileNotFoundError:
        return b""


def field(data: bytes, key: bytes) -> int:
    """The number after `key` (which ends in a space) on its line; 0 when there is none.

    A search for the one line is a tenth of the price of a table of them all.
    """
    at = data.find(key)
    if at < 0:
        return 0
    start = at + len(key)
    return int(data[start : data.find(b"\n", start)])


def block_v1(data: bytes) -> tuple[int, int]:
    """Bytes read and written: blkio.throttle.io_service_bytes_recursive, over all devices."""
    if data.startswith(b"Total"):
        return 0, 0
    read = written = 0
    for line in data.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] == b"Read":
            read += int(words[2])
        elif len(words) == 3 and words[1] == b"Write":
            written += int(words[2])
    return read, written


def block_v2(data: bytes) -> tuple[int, int]:
    """Bytes read and written: io.stat, over all devices."""
    read = written = 0
    for word in data.split():
        if word.startswith(b"rbytes="):
            read += int(word[7:])
        elif word.startswith(b"wbytes="):
            written += int(word[7:])
    return read, written


def network(data: bytes) -> tuple[int, int]:
    """Bytes received and sent: /proc/PID/net/dev, over all interfaces but the loopback."""
    received = sent = 0
    for line in data.splitlines()[2:]:
        name, _, rest = line.partition(b":")
        if name.strip() != b"lo":
            words = rest.split()
            received += int(words[0])
            sent += int(words[8])
    return received, sent


@functools.cache
def host_network() -> str:
    """This process's network namespace, which never changes."""
    return os.readlink("/proc/self/ns/net")


def own_network(pid: int) -> bool:
    """Whether the process has a network namespace of its own; False when it is gone."""
    try:
        return os.readlink(f"/proc/{pid}/ns/net") != host_network()
    except OSError:
        return False


def number_or(data: bytes, otherwise: float) -> float:
    """A file of one number; `otherwise` for `max`, for nothing and for v1's "no limit"."""
    if not data or data.startswith((b"max", b"-")):
        return otherwise
    value = int(data)
    return otherwise if value >= 1 << 62 else value


BlockParser = Callable[[bytes], tuple[int, int]]
