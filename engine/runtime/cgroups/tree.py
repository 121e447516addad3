"""Making, walking, emptying and removing the directories of a cgroup; no limits and no readings."""

import contextlib
import errno
import os
import time

from engine.errors import AlreadyInUse
from engine.runtime import signals
from engine.runtime.cgroups import cpuset, files, freezer
from engine.runtime.cgroups.layout import Hierarchy

# What every container is read or limited by; the others are handed down when they are asked for.
V2_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids")

_STEP_S = 0.001


def make(hierarchy: Hierarchy, path: str, made: list[str]) -> None:
    """Make `path` and what is missing above it; add the directories made to `made`, top first.

    A leaf left over with no process in it is made anew, so that no old limit stays. Others may
    be making the directories above at the same time. Raises AlreadyInUse when processes live in
    the leaf.
    """
    directory, parts = hierarchy.base, path.split("/")
    for depth, part in enumerate(parts, start=1):
        if hierarchy.version == 2:
            enable(directory)
        parent, directory = directory, f"{directory}/{part}"
        if _mkdir(directory, fresh=depth == len(parts)):
            made.append(directory)
        if hierarchy.version == 1 and "cpuset" in hierarchy.controllers:
            cpuset.inherit(parent, directory)


def rename(directory: str, new: str) -> None:
    """Give a v1 cgroup another name; a leaf of that name with no process in it goes."""
    try:
        os.rename(directory, new)  # noqa: PTH104 (the monitor does without pathlib)
    except FileExistsError:
        _remove_left_over(new)
        os.rename(directory, new)  # noqa: PTH104


def _mkdir(directory: str, *, fresh: bool) -> bool:
    try:
        os.mkdir(directory)
    except FileExistsError:
        if not fresh:
            return False
        _remove_left_over(directory)
        os.mkdir(directory)
    return True


def _remove_left_over(directory: str) -> None:
    try:
        remove(directory, bound=0)
    except OSError as error:
        raise AlreadyInUse(f"cgroup {directory} holds processes already") from error


def enable(directory: str) -> None:
    """Give the children of a v2 cgroup the controllers it has, as far as it may.

    A cgroup with processes of its own, or without the right, refuses some or all of them; the
    limits that then have no file are warned of by the one who applies them. Where there are
    processes none is tried: cpu and pids would be taken, and the cgroup would become threaded,
    whose children no process can join (cgroup-v2.rst, "Threads").
    """
    if _holds_processes(directory):
        return
    have = files.read_if_there(f"{directory}/cgroup.controllers").split()
    on = files.read_if_there(f"{directory}/cgroup.subtree_control").split()
    lacking = [f"+{name}" for name in V2_CONTROLLERS if name in have and name not in on]
    if lacking and not _control(directory, " ".join(lacking)):
        for name in lacking:
            _control(directory, name)


def hand_down(base: str, path: str, controller: str) -> None:
    """Have the v2 cgroup `path` below `base` take part in a controller, as far as it may."""
    directory = base
    for part in path.split("/"):
        on = files.read_if_there(f"{directory}/cgroup.subtree_control").split()
        if controller not in on and not _holds_processes(directory):
            _control(directory, f"+{controller}")
        directory = f"{directory}/{part}"


def _holds_processes(directory: str) -> bool:
    """Not asked of the root of the tree, which may: it alone has no type."""
    if not os.path.exists(f"{directory}/cgroup.type"):
        return False
    return bool(files.read_if_there(f"{directory}/cgroup.procs"))


def _control(directory: str, words: str) -> bool:
    try:
        files.write(f"{directory}/cgroup.subtree_control", words)
    except OSError:
        return False
    return True


def walk(directory: str) -> list[str]:
    """The cgroup and all below it, children before parents; empty when it is not there.

    A container may nest cgroups deeper than Python calls functions.
    """
    found, waiting = [], [directory]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                waiting += [e.path for e in entries if e.is_dir(follow_symlinks=False)]
        except (FileNotFoundError, NotADirectoryError):
            continue
        found.append(here)
    return found[::-1]


def pids(directory: str) -> list[int]:
    """Processes of the cgroup and of all below it, as this pid namespace numbers them."""
    texts = (files.read_if_there(f"{found}/cgroup.procs") for found in walk(directory))
    return sorted({int(word) for text in texts for word in text.split()} - {0})


def remove(directory: str, *, bound: float) -> None:
    """Remove the cgroup and all below it; one already gone is fine.

    A cgroup stays busy for a moment after its last process was reaped, so EBUSY is tried again
    until the bound (seconds) passes; then the OSError is raised.
    """
    deadline = time.monotonic() + bound
    for found in walk(directory):
        _rmdir(found, deadline)


def _rmdir(directory: str, deadline: float) -> None:
    while True:
        try:
            os.rmdir(directory)  # noqa: PTH106 (the monitor does without pathlib)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() >= deadline:
                raise
            time.sleep(_STEP_S)
        else:
            return


def kill_v2(directory: str, *, bound: float) -> bool:
    """Kill everything below at once with cgroup.kill; False when this kernel has none (< 5.14).

    Whoever else looks after the cgroup (systemd) may remove it as soon as it is empty.
    """
    if not os.path.exists(f"{directory}/cgroup.kill"):
        return False
    try:
        files.write(f"{directory}/cgroup.kill", "1")
        freezer.wait_for_event(directory, "populated", 0, bound=bound)
    except OSError as error:
        if error.errno not in files.GONE:
            raise
    return True


def kill_each(directory: str, *, bound: float) -> bool:
    """Send SIGKILL to every process until none is left; False when some outlive the bound."""
    deadline = time.monotonic() + bound
    while left := pids(directory):
        for pid in left:
            _sigkill(pid)
        if time.monotonic() > deadline:
            return False
        time.sleep(_STEP_S)
    return True


def signal_all(directory: str) -> None:
    """Send SIGKILL once to every process there is now."""
    for pid in pids(directory):
        _sigkill(pid)


def _sigkill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # already gone, which is what we want
        os.kill(pid, signals.SIGKILL)
