"""Being told that memory ran out, or that a cgroup is empty, instead of looking again and again.

memory.rst section 9 for v1; inotify on memory.events and cgroup.events for v2 (cgroup-v2.rst).
"""

import os

from engine.runtime import syscalls
from engine.runtime.cgroups import files

_FLAGS = os.O_RDONLY | os.O_CLOEXEC


def watch_v1(directory: str) -> int | None:
    """An eventfd counted up at each OOM; None on a kernel built without v1's notifications."""
    if not os.path.exists(f"{directory}/cgroup.event_control"):
        return None
    event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    try:
        control = os.open(f"{directory}/memory.oom_control", _FLAGS)
        try:
            files.write(f"{directory}/cgroup.event_control", f"{event} {control}")
        finally:
            os.close(control)
    except OSError:
        os.close(event)
        raise
    return event


def watch_v2(directory: str) -> int | None:
    """An inotify descriptor on memory.events, which the kernel touches when a counter changes."""
    return watch_file(f"{directory}/memory.events")


def watch_file(path: str) -> int | None:
    """An inotify descriptor; None where there is no such file."""
    return syscalls.inotify_modify(path) if os.path.exists(path) else None
