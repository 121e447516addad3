"""CRI log lines: `TIME STREAM TAG CONTENT`, the tag F for a whole line and P for a part of one.

Follows the Kubernetes container runtime interface's logging format.
"""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass

from engine.containers.model import LogEntry

LONGEST = 1024 * 1024
"""Bytes of partial lines that are joined before they are handed on as they are."""

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
