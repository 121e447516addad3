"""CPU time of processes, from proc(5): what a figure on a busy machine can still be trusted for."""

import os
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def own_seconds(pid: int) -> float:
    """CPU seconds of one process alone, with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / _TICK


def parent_and_seconds(stat: str) -> tuple[int, float]:
    """Of the text of /proc/PID/stat: the parent, and user and system time with reaped children."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[1]), sum(map(int, fields[11:15])) / _TICK


def family_seconds(pid: int) -> float:
    """CPU seconds of a process, of its living descendants and of those that were reaped."""
    known = dict(_processes())
    return sum(known[each][1] for each in _family(pid, known))


def _family(pid: int, known: dict[int, tuple[int, float]]) -> set[int]:
    found = {pid} & known.keys()
    while True:
        grown = found | {each for each, (parent, _) in known.items() if parent in found}
        if grown == found:
            return found
        found = grown


def _processes() -> list[tuple[int, tuple[int, float]]]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            found.append((int(path.parent.name), parent_and_seconds(path.read_text())))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
    return found
