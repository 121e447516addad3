"""The container's log: CRI format, rotated by size, one timestamp for what one read brought.

A record is `2026-01-02T03:04:05.000000006Z stdout F line` (Kubernetes, "CRI log format"); `P`
instead of `F` marks a part of a line, which the stream's next record goes on with. Lines are cut
at 16 KiB, as Docker and the CRI do. Whatever the program writes reaches the file; where the file
cannot take it (disk full), that is said once in the monitor's own log and counted.
"""

import os
import time
from collections.abc import Callable

LINE_LIMIT = 16 * 1024
_MODE = 0o640
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class LogWriter:
    """One log file and its rotated predecessors `<path>.1` (the youngest), `<path>.2`, ….

    Args:
        max_bytes: size at which the file is rotated; 0 for never.
        max_files: how many files there may be, the current one included.
        complain: told about what a person should know; never called once a line.
        fd: the file, when it is open already.
    """

    def __init__(
        self,
        path: str,
        max_bytes: int,
        max_files: int,
        complain: Callable[[str], None],
        *,
        fd: int = -1,
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._max_files = max(1, max_files)
        self._complain = complain
        self._pending: dict[bytes, bytes] = {}
        self._second = -1
        self._second_text = ""
        self._lost = 0
        self.fd, self._size = _open(path) if fd < 0 else (fd, os.fstat(fd).st_size)
        self._base = 0  # what a failed rotation left in the file does not count

    def write(self, stream: bytes, data: bytes) -> None:
        """Append what one read of `stream` (b"stdout" or b"stderr") brought.

        The end of an unfinished line is kept back until its rest, `flush` or 16 KiB.
        """
        pending = self._pending.pop(stream, b"")
        head, newline, tail = (pending + data if pending else data).rpartition(b"\n")
        prefix = self._prefix(stream)
        records = _records(prefix, head) if newline else b""
        while len(tail) > LINE_LIMIT:
            records += prefix + b"P " + tail[:LINE_LIMIT] + b"\n"
            tail = tail[LINE_LIMIT:]
        if tail:
            self._pending[stream] = tail
        if records:
            self._append(records)

    @property
    def unfinished(self) -> bool:
        """Whether a part of a line is kept back."""
        return bool(self._pending)

    def flush(self) -> None:
        """Write the unfinished lines as they are, marked partial."""
        while self._pending:
            stream, tail = self._pending.popitem()
            self._append(self._prefix(stream) + b"P " + tail + b"\n")

    def close(self) -> None:
        """Flush and close; nothing can be written after it."""
        self.flush()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _prefix(self, stream: bytes) -> bytes:
        seconds, rest = divmod(time.time_ns(), 1_000_000_000)
        if seconds != self._second:
            self._second = seconds
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        return b"%s.%09dZ %s " % (self._second_text.encode(), rest, stream)

    def _append(self, records: bytes) -> None:
        """Write whole records, in as many files as their size asks for."""
        if not self._max_bytes:
            self._put(records)
            return
        start = 0
        while start < len(records):
            end = self._fitting(records, start)
            if end == start:
                self._rotate()
                continue
            self._put(records[start:end])
            start = end

    def _fitting(self, records: bytes, start: int) -> int:
        """Where to cut so that this file stays within its size; a new file takes one record."""
        room = self._max_bytes - (self._size - self._base)
        if len(records) - start <= room:
            return len(records)
        cut = records.rfind(b"\n", start, start + max(0, room)) + 1
        if cut > start:
            return cut
        return start if self._size > self._base else records.index(b"\n", start) + 1

    def _put(self, records: bytes) -> None:
        view = memoryview(records)
        written = 0
        try:
            if self.fd < 0:
                self.fd, self._size = _open(self._path)
            while written < len(view):
                written += os.write(self.fd, view[written:])
        except OSError as error:
            self._lose(len(records), written, error)
            return
        self._size += len(records)
        if self._lost:
            self._complain(f"log {self._path}: writing again, {self._lost} bytes were lost")
            self._lost = 0

    def _lose(self, size: int, written: int, error: OSError) -> None:
        """Take back the torn record, so that the file stays readable, and go on."""
        if not self._lost:
            self._complain(f"log {self._path}: output is being lost: {error}")
        self._lost += size
        if written:
            os.ftruncate(self.fd, self._size)

    def _rotate(self) -> None:
        """Readers that have the file open go on to its end; its name is free for a new one."""
        try:
            self._shift()
        except OSError as error:
            self._complain(f"log {self._path}: cannot rotate: {error}")
            self._base = self._size
            return
        os.close(self.fd)
        self.fd, self._size, self._base = -1, 0, 0

    def _shift(self) -> None:
        for number in range(self._max_files - 1, 0, -1):
            older = f"{self._path}.{number - 1}" if number > 1 else self._path
            if os.path.exists(older):
                os.replace(older, f"{self._path}.{number}")
        if self._max_files == 1:
            os.unlink(self._path)


def _open(path: str) -> tuple[int, int]:
    """The log opened for appending, and its size; a record torn by a crash gets its newline."""
    fd = os.open(path, _FLAGS, _MODE)
    size = os.fstat(fd).st_size
    if size and _last_byte(path, size) != b"\n":
        size += os.write(fd, b"\n")
    return fd, size


def _last_byte(path: str, size: int) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(fd, 1, size - 1)
    finally:
        os.close(fd)


def _records(prefix: bytes, lines: bytes) -> bytes:
    """Complete lines (the last newline left off) as records."""
    full = prefix + b"F "
    if _has_long_line(lines):
        return b"".join(_split(prefix, line) for line in lines.split(b"\n"))
    # One copy: with two, twice the pages come fresh from the kernel, which costs most of the time.
    return b"".join((full, lines.replace(b"\n", b"\n" + full), b"\n"))


def _has_long_line(lines: bytes) -> bool:
    """Jump from newline to newline, as far as a line may reach: cheap for short lines."""
    start, end = 0, len(lines)
    while end - start > LINE_LIMIT:
        start = lines.rfind(b"\n", start, start + LINE_LIMIT + 1) + 1
        if start == 0 or start > end:
            return True
    return False


def _split(prefix: bytes, line: bytes) -> bytes:
    parts = [line[at : at + LINE_LIMIT] for at in range(0, len(line), LINE_LIMIT)] or [b""]
    full = prefix + b"P " + (b"\n" + prefix + b"P ").join(parts) + b"\n"
    at = len(full) - len(parts[-1]) - 3
    return full[:at] + b"F" + full[at + 1 :]
