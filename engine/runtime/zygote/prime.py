"""Taking the wait out of the first cgroup attach.

On cgroup v1 the first write to any cgroup.procs after some quiet waits for an RCU grace period
(5 to 15 ms), those that follow within moments do not. The zygote, which has nothing else to do
after a fork, writes itself into the cgroup it is in already: the wait passes while the new
monitor is still preparing, and its own attach is one of those that follow.
"""

import os
from contextlib import suppress

from engine.runtime.cgroups import Hierarchy, Layout


def open_own_procs(layout: Layout) -> int | None:
    """cgroup.procs of our own place in some v1 hierarchy; None where v2 alone makes it needless."""
    for line in _own_cgroups():
        _, names, path = line.split(":", 2)
        for hierarchy in layout.hierarchies:
            if hierarchy.version == 1 and _same(hierarchy, names):
                with suppress(OSError):  # not mounted at its root, or not ours to write
                    return os.open(
                        f"{hierarchy.mount_point}{path}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC
                    )
    return None


def _own_cgroups() -> list[str]:
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        return file.read().splitlines()


def _same(hierarchy: Hierarchy, names: str) -> bool:
    return bool(names) and set(names.split(",")) == set(hierarchy.controllers)


def prime(procs: int | None) -> None:
    """Blocks for as long as the grace period takes."""
    if procs is not None:
        with suppress(OSError):  # only the speed of the next attach depends on it
            os.pwrite(procs, b"0", 0)
