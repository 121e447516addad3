"""A container's log files as one stream of lines, across rotations.

The current file has the container's log path; older ones add `.1`, `.2` and so on, the highest
being the oldest.
"""

import os
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from types import TracebackType

from engine.containers.logline import Joiner, Line, parse
from engine.containers.logseek import seek_tail, seek_time
from engine.containers.model import LogEntry

CHUNK = 64 * 1024


def read_log(
    path: Path, *, tail: int | None = None, since_ns: int = 0, until_ns: int = 0
) -> Iterator[LogEntry]:
    """What is in the files now, oldest first; 0 for no bound in time, None for all lines.

    Lines that are no CRI lines are passed over: a torn write must not hide the rest.
    """
    with Tailer(path, tail=tail, since_ns=since_ns) as tailer:
        for entry in _entries(tailer.lines()):
            if until_ns and entry.time_ns > until_ns:
                return
            if entry.time_ns >= since_ns:
                yield entry


def _entries(lines: Iterable[Line]) -> Iterator[LogEntry]:
    joiner = Joiner()
    for line in lines:
        yield from joiner.feed(line)
    yield from joiner.flush()


class Tailer:
    """Reads the files in order, and goes on with what is appended, across rotations.

    Args:
        tail: begin so many whole lines before the end; None begins with the oldest file.
        since_ns: without a tail, begin not long before the first line of this time.
    """

    def __init__(self, path: Path, *, tail: int | None = None, since_ns: int = 0) -> None:
        self._path = path
        self._files: list[BufferedReader] = _open_all(path)
        self._rest = b""
        if tail is not None:
            self._files = seek_tail(self._files, tail)
        elif since_ns:
            self._files = seek_time(self._files, since_ns)

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
                self._files = _open_all(self._path)
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
    if _inode(path) in (own, None):
        return []
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


def _inode(path: Path) -> int | None:
    """None in the moment of a rotation when the new file is not there yet."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _open(path: Path) -> BufferedReader | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None  # not written yet, or rotated away
