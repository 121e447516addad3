"""CRI log files: lines to entries, rotation, and reading backwards.

A line is `TIME STREAM TAG CONTENT`, the tag F for a whole line and P for a part of one
(kubernetes, CRI logging). The current file has the container's log path, older ones add `.1`,
`.2` and so on, the highest being the oldest.
"""

import calendar
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from types import TracebackType

from engine.containers.model import LogEntry

LONGEST = 1024 * 1024
"""Bytes of partial lines that are joined before they are handed on as they are."""
CHUNK = 64 * 1024

_STREAMS = {b"stdout": 1, b"stderr": 2}
_TIME = re.compile(
    rb"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file; `partial` when its content goes on in the next of its stream."""

    time_ns: int
    stream: int
    partial: bool
    content: bytes


def read_log(
    path: Path, *, tail: int | None = None, since_ns: int = 0, until_ns: int = 0
) -> Iterator[LogEntry]:
    """What is in the files now, oldest first; 0 for no bound in time, None for all lines.

    Lines that are no CRI lines are passed over: a torn write must not hide the rest.
    """
    with Tailer(path, tail=tail) as tailer:
        for entry in _entries(tailer.lines()):
            if until_ns and entry.time_ns > until_ns:
                return
            if entry.time_ns >= since_ns:
                yield entry


def parse(raw: bytes) -> Line | None:
    """One line of a log file without its newline; None when it is not CRI."""
    parts = raw.split(b" ", 3)
    if len(parts) < 3:
        return None
    stream, time_ns = _STREAMS.get(parts[1]), parse_time(parts[0])
    if stream is None or time_ns is None:
        return None
    partial = parts[2].split(b":")[0] == b"P"
    return Line(time_ns, stream, partial, parts[3] if len(parts) == 4 else b"")


_seconds: dict[bytes, int] = {}


def parse_time(text: bytes) -> int | None:
    """RFC 3339 with nanoseconds to nanoseconds since the epoch."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    nanoseconds = int((match[7] or b"").ljust(9, b"0") or 0)
    return _second(text[:19]) * 1_000_000_000 + nanoseconds - _offset(match) * 1_000_000_000


def _second(text: bytes) -> int:
    """Consecutive lines are mostly of the same second: the last one is remembered."""
    known = _seconds.get(text)
    if known is None:
        _seconds.clear()
        numbers = [int(part) for part in re.split(rb"[-T:]", text)]
        known = _seconds[text] = calendar.timegm((*numbers, 0, 0, 0)[:9])
    return known


def _offset(match: re.Match[bytes]) -> int:
    if match[8] is None:
        return 0
    seconds = int(match[9]) * 3600 + int(match[10]) * 60
    return -seconds if match[8] == b"-" else seconds


class Joiner:
    """Puts partial lines of one stream together again."""

    def __init__(self) -> None:
        self._parts: dict[int, list[Line]] = {}

    def feed(self, line: Line) -> Iterator[LogEntry]:
        """The entry that this line completes, if it does."""
        parts = self._parts.setdefault(line.stream, [])
        parts.append(line)
        if not line.partial:
            yield self._take(line.stream, b"\n")
        elif sum(len(part.content) for part in parts) >= LONGEST:
            yield self._take(line.stream, b"")

    def flush(self) -> Iterator[LogEntry]:
        """What never got its newline, oldest first."""
        left = sorted(self._parts, key=lambda stream: self._parts[stream][0].time_ns)
        for stream in left:
            yield self._take(stream, b"")

    def _take(self, stream: int, end: bytes) -> LogEntry:
        parts = self._parts.pop(stream)
        content = b"".join(part.content for part in parts) + end
        return LogEntry(parts[0].time_ns, stream, content)


def _entries(lines: Iterable[Line]) -> Iterator[LogEntry]:
    joiner = Joiner()
    for line in lines:
        yield from joiner.feed(line)
    yield from joiner.flush()


class Tailer:
    """Reads the files in order, and goes on with what is appended, across rotations.

    Args:
        tail: begin so many whole lines before the end; None begins with the oldest file.
    """

    def __init__(self, path: Path, *, tail: int | None = None) -> None:
        self._path = path
        self._files: list[BufferedReader] = _open_all(path)
        self._rest = b""
        if tail is not None:
            self._files = _seek_tail(self._files, tail)

    def __enter__(self) -> "Tailer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files:
            file.close()

    def lines(self) -> Iterator[Line]:
        """All there is now."""
        while lines := self.read():
            yield from lines

    def read(self) -> list[Line]:
        """The next lines; empty when there are none at the moment."""
        while True:
            chunk = self._chunk()
            if not chunk:
                return []
            *whole, self._rest = (self._rest + chunk).split(b"\n")
            lines = [line for raw in whole if (line := parse(raw)) is not None]
            if lines:
                return lines

    def _chunk(self) -> bytes:
        while True:
            if not self._files:
                self._files = _open_all(self._path)[-1:]
            if not self._files:
                return b""
            if chunk := self._files[0].read1(CHUNK):
                return chunk
            if not self._next():
                return b""

    def _next(self) -> bool:
        """Leave a file that was read to its end and is not written any more."""
        if len(self._files) == 1:
            # Before the rename more may have been written: the caller reads this one once more.
            self._files += _newer(self._path, self._files[0])
            return len(self._files) > 1
        self._files.pop(0).close()
        return True


def _open_all(path: Path) -> list[BufferedReader]:
    """The files there are, oldest first.

    Opened newest first, because a rotation only ever moves a file on to a higher number: one that
    is renamed meanwhile is met again, and none is missed.
    """
    opened: dict[int, BufferedReader] = {}
    for name in _names(path):
        file = _open(name)
        if file is not None and opened.setdefault(os.fstat(file.fileno()).st_ino, file) is not file:
            file.close()
    return list(reversed(opened.values()))


def _names(path: Path) -> list[Path]:
    """Newest first."""
    numbered = [
        (int(other.name[len(path.name) + 1 :]), other)
        for other in path.parent.glob(f"{path.name}.*")
        if other.name[len(path.name) + 1 :].isdigit()
    ]
    return [path, *(other for _, other in sorted(numbered))]


def _newer(path: Path, current: BufferedReader) -> list[BufferedReader]:
    """The files that have taken the place of `current`, oldest first; none while it is in use."""
    own = os.fstat(current.fileno()).st_ino
    files = _open_all(path)
    inodes = [os.fstat(file.fileno()).st_ino for file in files]
    if inodes and inodes[-1] == own:
        keep: list[BufferedReader] = []
    else:
        keep = files[inodes.index(own) + 1 :] if own in inodes else files
    for file in files:
        if file not in keep:
            file.close()
    return keep


def _open(path: Path) -> BufferedReader | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None  # not written yet, or rotated away


def _seek_tail(files: list[BufferedReader], tail: int) -> list[BufferedReader]:
    """Leave the files positioned so that `tail` whole lines follow; the unneeded are closed."""
    missing = tail
    for index in range(len(files) - 1, -1, -1):
        missing = _seek_lines(files[index], missing)
        if missing <= 0:
            for file in files[:index]:
                file.close()
            return files[index:]
    return files


def _seek_lines(file: BufferedReader, wanted: int) -> int:
    """Position a file `wanted` whole lines before its end; returns how many it is short of."""
    found = 0
    for number, (start, raw) in enumerate(_backwards(file)):
        line = parse(raw)
        # The last line counts even when its end is still to come.
        found += line is not None and (not line.partial or number == 0)
        if found > wanted:
            file.seek(start + len(raw) + 1)
            return 0
    file.seek(0)
    return wanted - found


def _backwards(file: BufferedReader) -> Iterator[tuple[int, bytes]]:
    """Offset and content of every line, the last first."""
    position, tail = file.seek(0, os.SEEK_END), b""
    while position > 0:
        size = min(CHUNK, position)
        position -= size
        file.seek(position)
        lines = (file.read(size) + tail).split(b"\n")
        tail = lines.pop(0) if position else b""
        start = position + (len(tail) + 1 if position else 0)
        placed = []
        for raw in lines:
            placed.append((start, raw))
            start += len(raw) + 1
        yield from ((at, raw) for at, raw in reversed(placed) if raw)
