"""A container's processes and what they use, where it has no cgroup to ask: read from /proc.

Everything of a container descends from its monitor: init, and what exec started beside it. What
they used before they ended is counted by those who waited for them (proc(5), cutime).
"""

import os
import time
from typing import NamedTuple

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LARGEST = 4096
_FRESH_S = 0.2
"""Seconds for which one look at every process answers for all containers."""


class Process(NamedTuple):
    """What /proc/PID/stat says; `cpu_ns` includes the children that were waited for."""

    parent: int
    cpu_ns: int
    threads: int
    memory: int


class Use(NamedTuple):
    """Of all processes together: nanoseconds, bytes resident (shared pages count each time)."""

    cpu_ns: int
    memory: int
    threads: int


Table = dict[int, Process]


def pids(init: int) -> list[int]:
    """The container's processes, by its first; empty when that has ended."""
    return below(_recent(), init)


def use(init: int) -> Use:
    """What they use now. Raises ProcessLookupError when the first has ended."""
    table = _recent()
    found = [table[pid] for pid in below(table, init)]
    if not found:
        raise ProcessLookupError(f"process {init} has ended")
    return Use(
        sum(each.cpu_ns for each in found),
        sum(each.memory for each in found),
        sum(each.threads for each in found),
    )


def below(table: Table, init: int) -> list[int]:
    """Every descendant of the parent of `init`; with nobody but pid 1 for a parent, its own."""
    if init not in table:
        return []
    monitor = table[init].parent
    children: dict[int, list[int]] = {}
    for pid, process in table.items():
        children.setdefault(process.parent, []).append(pid)
    waiting = list(children[monitor]) if monitor > 1 else [init]
    found = []
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, ())
    return sorted(found)


def read_table() -> Table:
    """Every process of this pid namespace; those that end meanwhile are left out."""
    table = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                table[int(name)] = _read(name)
            except (FileNotFoundError, ProcessLookupError):
                continue
    return table


def _read(name: str) -> Process:
    fd = os.open(f"/proc/{name}/stat", os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(fd, _LARGEST)
    finally:
        os.close(fd)
    fields = data.rpartition(b") ")[2].split()  # the name may hold anything; state comes next
    ticks = sum(int(field) for field in fields[11:15])
    return Process(int(fields[1]), ticks * _TICK_NS, int(fields[17]), int(fields[21]) * _PAGE)


class _Recent:
    """The last look at all processes, and when it was."""

    def __init__(self) -> None:
        self.table: Table = {}
        self.at = float("-inf")


_last = _Recent()


def _recent() -> Table:
    if time.monotonic() - _last.at > _FRESH_S:
        _last.table, _last.at = read_table(), time.monotonic()
    return _last.table
