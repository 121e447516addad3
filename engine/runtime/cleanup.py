"""Removing what is left of a container: its monitor, its processes, its cgroup, its bundle."""

import os
import shutil
import signal
import time
from contextlib import suppress

from engine.runtime import bundle, late, slots, state
from engine.runtime.cgroups import detect

MONITOR_BOUND = 5.0


def discard(container_id: str, bundle_path: str, cgroup: str) -> None:
    """Leave nothing behind; blocking, idempotent. Something already gone is fine.

    Raises:
        RuntimeFailure: a process outlived SIGKILL.
        OSError: the cgroup or the bundle cannot be removed.
    """
    known = state.read(bundle_path)
    if known is not None and known.id == container_id:
        _end_monitor(known)
    layout = detect()
    slots.remove(layout, cgroup)
    if known is not None:
        parent = slots.parent_of(cgroup)
        slots.remove(layout, slots.path(parent, known.monitor_pid, known.monitor_start))
    config = late.read(bundle_path)
    with suppress(FileNotFoundError):
        shutil.rmtree(bundle_path)
    late.poststop(config, container_id, bundle_path)


def _end_monitor(known: state.State) -> None:
    """Kill the monitor if it is still that process; the kernel then kills its init."""
    try:
        process = os.pidfd_open(known.monitor_pid)
    except ProcessLookupError:
        return
    try:
        if known.monitor_alive():
            signal.pidfd_send_signal(process, signal.SIGKILL)
            _wait_gone(known)
    except ProcessLookupError:
        pass  # it ended by itself, which is what we want
    finally:
        os.close(process)


def _wait_gone(known: state.State) -> None:
    deadline = time.monotonic() + MONITOR_BOUND
    while known.monitor_alive() and time.monotonic() < deadline:
        time.sleep(0.005)


def monitor_log(bundle_path: str) -> str:
    """The last words of a monitor that did not manage to answer; empty when there are none."""
    data = bundle.read_bytes(f"{bundle_path}/{bundle.MONITOR_LOG}") or b""
    return data[-2000:].decode(errors="replace").strip()
