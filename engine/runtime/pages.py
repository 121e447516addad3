"""Having a forked process's memory ready before it is in a hurry.

A fork copies no memory: each page is copied when it is first written to, in a fault that costs 2 to
5 µs on a virtual machine, some hundred times in a short life. To copy everything ahead would cost
as much again at the exec, which has to throw it away. So the first process of a kind shows what its
kind writes to, and those after it have just that copied while they wait.
"""

import array
import mmap
import os

from engine.runtime import bundle, syscalls

_POPULATE_READ, _POPULATE_WRITE = 22, 23  # madvise(2), Linux 5.14
_PAGE = mmap.PAGESIZE
_MOST = 1024
"""Extents that are remembered; more are not had ahead."""

# /proc/pid/pagemap (Documentation/admin-guide/mm/pagemap.rst)
_PRESENT, _EXCLUSIVE, _FILE = 1 << 63, 1 << 56, 1 << 61
_WORD = 8


class Hot:
    """The extents of memory that one kind of process writes to.

    All processes forked from the one that makes it share what it knows.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, (1 + 2 * _MOST) * _WORD)

    @property
    def is_known(self) -> bool:
        return bool(self._memory[0])

    def learn(self, pid: int) -> None:
        """Take the process `pid` for the example of its kind. Raises OSError when it is gone."""
        words = array.array("Q")
        with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap:
            for start, end, rights in _mappings(pid):
                if rights == b"rw-p":
                    words.extend(_written(pagemap.fileno(), start, end))
        size = min(len(words), 2 * _MOST)
        self._memory[_WORD : (1 + size) * _WORD] = words[:size].tobytes()
        self._memory[1:_WORD] = size.to_bytes(_WORD - 1, "little")
        self._memory[0:1] = b"\1"  # last: from here on it is read

    def take(self) -> None:
        """Have them copied, and the code at hand; where the kernel cannot, nothing happens."""
        if not self.is_known:
            return
        size = int.from_bytes(self._memory[1:_WORD], "little")
        words = array.array("Q", self._memory[_WORD : (1 + size) * _WORD])
        for start, length in zip(words[::2], words[1::2], strict=True):
            _populate(start, length, _POPULATE_WRITE)
        for start, end, rights in _mappings("self"):
            if rights == b"r-xp":
                _populate(start, end - start, _POPULATE_READ)


INIT, BUILDER = Hot(), Hot()


def _mappings(pid: int | str) -> list[tuple[int, int, bytes]]:
    found = []
    for line in (bundle.read_bytes(f"/proc/{pid}/maps") or b"").splitlines():
        extent, rights, _ = line.split(None, 2)
        start, end = (int(part, 16) for part in extent.split(b"-"))
        found.append((start, end, rights))
    return found


def _written(pagemap: int, start: int, end: int) -> list[int]:
    """Start and length of each run of pages that are this process's alone, one after the other."""
    words = array.array("Q", os.pread(pagemap, (end - start) // _PAGE * _WORD, start // 512))
    found: list[int] = []
    for number, word in enumerate(words):
        if word & _PRESENT and word & _EXCLUSIVE and not word & _FILE:
            address = start + number * _PAGE
            if found and found[-2] + found[-1] == address:
                found[-1] += _PAGE
            else:
                found += (address, _PAGE)
    return found


def _populate(start: int, length: int, advice: int) -> None:
    try:  # noqa: SIM105 (no monitor pays for contextlib)
        syscalls.call("madvise", start, length, advice)
    except OSError:
        pass  # not memory that can be populated, or an older kernel
