"""What `ps -ef` shows of given processes, read from /proc (proc(5))."""

import os
import pwd
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.containers.model import Top

TITLES = ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")


@dataclass(frozen=True, slots=True)
class _Process:
    """`started` is seconds since the epoch, `cpu` seconds used."""

    uid: int
    pid: int
    parent: int
    terminal: int
    started: float
    cpu: float
    command: str


def full(pids: Iterable[int]) -> Top:
    """One row a process; those that end meanwhile are left out."""
    found = (_read(pid) for pid in sorted(pids))
    return Top(TITLES, tuple(_row(process) for process in found if process is not None))


def _read(pid: int) -> _Process | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        uid = os.stat(f"/proc/{pid}").st_uid
    except (FileNotFoundError, ProcessLookupError):
        return None
    name = stat[stat.index("(") + 1 : stat.rindex(")")]
    fields = stat[stat.rindex(")") + 2 :].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return _Process(
        uid=uid,
        pid=pid,
        parent=int(fields[1]),
        terminal=int(fields[4]),
        started=_boot_time() + int(fields[19]) / ticks,
        cpu=(int(fields[11]) + int(fields[12])) / ticks,
        command=words.replace(b"\0", b" ").decode(errors="replace").strip() or f"[{name}]",
    )


def _row(process: _Process) -> tuple[str, ...]:
    lived = max(time.time() - process.started, 0.01)
    return (
        _user(process.uid),
        str(process.pid),
        str(process.parent),
        str(min(int(process.cpu * 100 / lived), 99)),
        _start(process.started),
        _terminal(process.terminal),
        _clock(int(process.cpu)),
        process.command,
    )


def _boot_time() -> float:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _start(started: float) -> str:
    """The time today, the day before that, as ps does."""
    moment, today = time.localtime(started), time.localtime()
    same_day = (moment.tm_year, moment.tm_yday) == (today.tm_year, today.tm_yday)
    return time.strftime("%H:%M" if same_day else "%b%d", moment)


def _terminal(device: int) -> str:
    if device == 0:
        return "?"
    major, minor = os.major(device), os.minor(device)
    return f"pts/{minor + (major - 136) * 256}" if 136 <= major <= 143 else f"tty{minor}"


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
