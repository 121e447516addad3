"""The cgroup hierarchies and the controller behind each limit."""

import os
from collections.abc import Iterator
from pathlib import Path

from engine.daemon.checks.check import Check
from engine.runtime import userns
from engine.runtime.cgroups.layout import Hierarchy, Layout, detect

# What a controller is called in each version, and what is lost without it.
_CONTROLLERS = (
    ("memory", "memory", "memory limits and OOM reports"),
    ("cpu", "cpu", "CPU limits"),
    ("cpuacct", "cpu", "CPU figures"),
    ("cpuset", "cpuset", "choosing processors"),
    ("pids", "pids", "process limits"),
    ("blkio", "io", "block I/O limits"),
)
# These are files of every v2 cgroup, and controllers of their own in v1.
_V1_ONLY = (("freezer", "pausing"), ("devices", "restricting device access"))


def checks() -> Iterator[Check]:
    layout = detect()
    if not any(hierarchy.writable for hierarchy in layout.hierarchies):
        yield _unwritable(layout)
        return
    yield Check("cgroups", f"{layout.mode}, {len(layout.hierarchies)} hierarchies")
    for v1, v2, purpose in _CONTROLLERS:
        yield _controller(layout, v1, v2, purpose)
    if layout.mode != "v2":
        for name, purpose in _V1_ONLY:
            yield _controller(layout, name, name, purpose)
    yield _swap(layout)


def _controller(layout: Layout, v1: str, v2: str, purpose: str) -> Check:
    found = layout.find(v1) or layout.find(v2)
    if found is not None:
        return Check(f"cgroup {v1}", f"v{found.version} at {found.mount_point}")
    fix = f"enable it on the kernel command line (cgroup_enable={v1}) or in a parent cgroup"
    return Check(f"cgroup {v1}", f"missing: no {purpose}", fix)


def usable(layout: Layout) -> frozenset[str]:
    """The controllers that can be used, by the names their hierarchies give them."""
    writable = (hierarchy for hierarchy in layout.hierarchies if hierarchy.writable)
    return frozenset(name for hierarchy in writable for name in hierarchy.controllers)


def limits_swap(layout: Layout) -> bool:
    memory = layout.find("memory")
    return memory is not None and _accounts_swap(memory)


def _unwritable(layout: Layout) -> Check:
    fix = "mount one: mount -t cgroup2 none /sys/fs/cgroup"
    if layout.hierarchies:
        fix = "mount one that can be written, or run the engine where cgroups are its own"
    if not layout.hierarchies or not _without_root():
        return Check("cgroups", "no hierarchy that can be written", fix, needed=True)
    found = f"{layout.mode}, none that this user may write: no limits and no pausing"
    return Check("cgroups", found, _delegation(layout))


def _without_root() -> bool:
    return os.geteuid() != 0 or userns.rootless()


def _delegation(layout: Layout) -> str:
    """How this user gets a cgroup (systemd.resource-control(5), Delegate=)."""
    if layout.mode != "v2":
        return "boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1), which can be delegated"
    if Path("/run/systemd/system").is_dir():
        return "systemd-run --user --scope -p Delegate=yes berth engine start"
    return "have root make a cgroup that belongs to this user, and start the engine in it"


def _swap(layout: Layout) -> Check:
    if limits_swap(layout):
        return Check("swap limits", "available")
    return Check(
        "swap limits",
        "missing: memory limits do not count swap",
        "boot with swapaccount=1",
    )


def _accounts_swap(memory: Hierarchy) -> bool:
    base = Path(memory.base)
    if memory.version == 1:
        return (base / "memory.memsw.limit_in_bytes").exists()
    # The root cgroup of v2 has no limits; its children show whether the kernel counts swap.
    return any(base.glob("*/memory.swap.max")) or Path("/proc/swaps").exists()
