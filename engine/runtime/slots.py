"""Where a container that is made ahead waits: a cgroup named after its monitor.

On cgroup v1 it takes the container's name when there is one. A cgroup v2 that is mounted beside
(hybrid) has no rename and keeps this one; it is known by the monitor it is named after.
"""

import os

from engine.runtime.cgroups import Layout, Manager, owned
from engine.runtime.state import start_time

_PREFIX = "spare-"


def path(parent: str, monitor_pid: int, monitor_start: int) -> str:
    """The cgroup of the monitor with this pid and start time."""
    return f"{parent.strip('/')}/{_PREFIX}{monitor_pid}-{monitor_start}"


def own(parent: str) -> str:
    """The same for this process."""
    return path(parent, os.getpid(), start_time(os.getpid()) or 0)


def parent_of(cgroup: str) -> str:
    return cgroup.strip("/").rpartition("/")[0]


def remove(layout: Layout, cgroup: str) -> None:
    """Empty and remove it; one that is not there is fine."""
    manager = owned(Manager(layout, cgroup))
    if manager.exists():
        manager.kill()
        manager.remove()


def sweep(layout: Layout, parent: str) -> bool:
    """Remove what monitors that were killed have left, but for cgroups with processes in them.

    True when there are none of those.
    """
    is_clean = True
    for name in _names(layout, parent):
        pid, _, start = name.removeprefix(_PREFIX).partition("-")
        if pid.isdecimal() and start.isdecimal() and start_time(int(pid)) != int(start):
            try:
                Manager(layout, f"{parent.strip('/')}/{name}").remove(bound=0)
            except OSError:
                is_clean = False  # the bundle it belongs to will be adopted or discarded
    return is_clean


def _names(layout: Layout, parent: str) -> list[str]:
    found: set[str] = set()
    for hierarchy in layout.hierarchies:
        try:
            found.update(os.listdir(f"{hierarchy.base}/{parent.strip('/')}"))
        except OSError:
            continue  # nothing was ever started here, or it is not ours to see
    return [name for name in found if name.startswith(_PREFIX)]
