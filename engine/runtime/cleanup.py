"""Removing what is left of a container: its monitor, its processes, its cgroup, its bundle."""

import os
import select
import shutil
import signal
import time
from contextlib import suppress

from engine.runtime import bundle, late, signals, slots, state
from engine.runtime.cgroups import detect

MONITOR_BOUND = 5.0


def discard(container_id: str, bundle_path: str, cgroup: str) -> None:
    """Leave nothing behind; blocking, idempotent. Something already gone is fine.

    With no `cgroup` none is removed: it never was this container's.

    Raises:
        RuntimeFailure: a process outlived SIGKILL.
        OSError: the cgroup or the bundle cannot be removed.
    """
    known = state.read(bundle_path)
    if known is not None and known.id == container_id:
        _end_monitor(known)
    if cgroup:
        _remove_cgroups(cgroup, known)
    config = late.read(bundle_path)
    with suppress(FileNotFoundError):
        shutil.rmtree(bundle_path)
    late.poststop(config, container_id, bundle_path)


def _remove_cgroups(cgroup: str, known: state.State | None) -> None:
    layout = detect()
    slots.remove(layout, cgroup)
    if known is not None:
        parent = slots.parent_of(cgroup)
        slots.remove(layout, slots.path(parent, known.monitor_pid, known.monitor_start))


def _end_monitor(known: state.State) -> None:
    """Kill the monitor if it is still that process, with its builder and init.

    The kernel would kill those two as well, but not before this returns: a builder in the middle
    of something could still make a cgroup or a file that has just been removed.
    """
    processes = _open(known.monitor_pid)
    try:
        if known.monitor_alive():
            for pid in _children(known.monitor_pid):
                processes += _open(pid)
            _kill(processes)
    finally:
        for process in processes:
            os.close(process)


def _open(pid: int) -> list[int]:
    """A pidfd, or nothing when the process has ended by itself, which is what we want."""
    try:
        return [signals.pidfd_open(pid)]
    except ProcessLookupError:
        return []


def _children(pid: int) -> list[int]:
    try:
        data = bundle.read_bytes(f"/proc/{pid}/task/{pid}/children")
    except ProcessLookupError:
        return []
    return [int(word) for word in (data or b"").split()]


def _kill(processes: list[int]) -> None:
    """The monitor first, so that it starts nothing for what ends; waits for all."""
    poll = select.poll()
    for process in processes:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        poll.register(process, select.POLLIN)
    left, deadline = len(processes), time.monotonic() + MONITOR_BOUND
    while left and (seconds := deadline - time.monotonic()) > 0:
        for process, _ in poll.poll(seconds * 1000):
            poll.unregister(process)
            left -= 1


def monitor_log(bundle_path: str) -> str:
    """The last words of a monitor that did not manage to answer; empty when there are none."""
    data = bundle.read_bytes(f"{bundle_path}/{bundle.MONITOR_LOG}") or b""
    return data[-2000:].decode(errors="replace").strip()
