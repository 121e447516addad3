"""Where to begin reading in log files: so many lines before the end, or at a time."""

import os
from collections.abc import Iterator
from io import BufferedReader

from engine.containers.logline import parse

CHUNK = 64 * 1024
_LONGEST_LINE = 1024 * 1024


def seek_tail(files: list[BufferedReader], tail: int) -> list[BufferedReader]:
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


def seek_time(files: list[BufferedReader], since_ns: int) -> list[BufferedReader]:
    """Leave the files positioned before the first line of `since_ns` or later; close the rest.

    Lines are taken to be in the order of their times; where a clock was set back a little more is
    read, and the reader leaves it out.
    """
    while len(files) > 1 and os.fstat(files[0].fileno()).st_mtime_ns < since_ns:
        files.pop(0).close()
    if files:
        _bisect(files[0], since_ns)
    return files


def _bisect(file: BufferedReader, since_ns: int) -> None:
    low, high = 0, file.seek(0, os.SEEK_END)
    while high - low > CHUNK:
        middle = (low + high) // 2
        found = _time_after(file, middle)
        if found is None or found >= since_ns:
            high = middle
        else:
            low = middle
    file.seek(low)
    if low:
        file.readline(_LONGEST_LINE)


def _time_after(file: BufferedReader, offset: int) -> int | None:
    """The time of the first whole line after an offset; None at the end or in a foreign line."""
    file.seek(offset)
    file.readline(_LONGEST_LINE)
    line = parse(file.readline(_LONGEST_LINE).removesuffix(b"\n"))
    return None if line is None else line.time_ns
