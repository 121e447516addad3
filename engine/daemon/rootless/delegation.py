"""The cgroup that somebody gave to this user (cgroups(7), "Delegation"), where there is one."""

import os
from pathlib import Path

from engine.runtime.cgroups.layout import ENGINE, detect


def settle() -> None:
    """Make room for containers: go to a child of the delegated cgroup, with all that follows.

    Does nothing without one. What else lives in it (a login shell, say) stays, and then the kernel
    gives containers no limits there, which is told with each.
    """
    unified = detect().unified
    if unified is None or unified.base == unified.mount_point:
        return
    own = Path(unified.base, ENGINE)
    own.mkdir(exist_ok=True)
    _move(own)


def follow(pid: int) -> str:
    """Go where the process of an engine before this one lives; says what is lost if that fails.

    Its containers' cgroups are beside it, and this engine may have been started in another login.
    """
    unified = next((each for each in detect().hierarchies if each.version == 2), None)
    theirs, mine = place(pid), place(os.getpid())
    if unified is None or theirs == mine or not theirs.endswith(f"/{ENGINE}"):
        return ""
    try:
        _move(Path(f"{unified.mount_point}{theirs}"))
    except OSError as error:
        lost = "containers from before have no limits that can be changed"
        return f"cgroups: {theirs} cannot be entered from here ({error.strerror}): {lost}"
    return ""


def place(pid: int) -> str:
    """The cgroup v2 of a process, as this cgroup namespace names it; empty when there is none."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return ""  # it has just ended
    return next((line[3:] for line in lines if line.startswith("0::")), "")


def _move(directory: Path) -> None:
    (directory / "cgroup.procs").write_text(f"{os.getpid()}")
