"""Which cgroup hierarchies the host has mounted, for the view a container gets of its own."""

import os
from functools import cache

from .plan import CgroupMount
from .rootfs.cgroup import MOUNT_POINT

_NOT_NAMES = frozenset(
    ("rw", "ro", "xattr", "clone_children", "noprefix", "favordynmods", "cpuset_v2_mode")
)


@cache
def mounted() -> tuple[CgroupMount, ...]:
    """The cgroup mounts at and below /sys/fs/cgroup; read once, since hosts never change them."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        parsed = [_parse(line) for line in lines if " - cgroup" in line]
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


def _parse(line: str) -> CgroupMount | None:
    before, _, after = line.partition(" - ")
    _, _, _, root, point, *_ = before.split()
    kind, _, options = after.split()
    if point != MOUNT_POINT and os.path.dirname(point) != MOUNT_POINT:
        return None
    if kind == "cgroup2":
        return CgroupMount(point, root, 2, "")
    return CgroupMount(point, root, 1, _controllers(options))


def _controllers(options: str) -> str:
    """What names the hierarchy among its super block options (`rw,xattr,name=systemd`)."""
    kept = [o for o in options.split(",") if o not in _NOT_NAMES]
    return ",".join(o for o in kept if not o.startswith("release_agent="))
