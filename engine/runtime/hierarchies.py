"""Which cgroup hierarchies the host has mounted, for the view a container gets of its own."""

import os
from functools import cache

from .plan import CgroupMount
from .rootfs.cgroup import MOUNT_POINT


@cache
def mounted() -> tuple[CgroupMount, ...]:
    """The cgroup mounts at and below /sys/fs/cgroup; read once, since hosts never change them."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        parsed = [parse(line, _names()) for line in lines if " - cgroup" in line]
    return tuple(each for each in parsed if each is not None)


@cache
def links() -> tuple[tuple[str, str], ...]:
    """(name, target) of the links for controllers mounted together (cpu -> cpu,cpuacct)."""
    try:
        with os.scandir(MOUNT_POINT) as entries:
            found = [(e.name, os.readlink(e.path)) for e in entries if e.is_symlink()]
    except FileNotFoundError:
        found = []  # a host without cgroups
    return tuple(found)


def _names() -> frozenset[str]:
    """Every controller and `name=…` that some hierarchy of this host has."""
    with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as lines:
        return frozenset(name for line in lines for name in line.split(":")[1].split(","))


def parse(line: str, names: frozenset[str]) -> CgroupMount | None:
    """One mount of a hierarchy from a mountinfo line; None when it is somewhere else."""
    before, _, after = line.partition(" - ")
    _, _, _, root, point, *_ = before.split()
    kind, _, options = after.split()
    if point != MOUNT_POINT and os.path.dirname(point) != MOUNT_POINT:
        return None
    if kind == "cgroup2":
        return CgroupMount(point, root, 2, "")
    # The other super block options (xattr, seclabel, ...) do not tell one hierarchy from another.
    controllers = ",".join(option for option in options.split(",") if option in names)
    return CgroupMount(point, root, 1, controllers)
