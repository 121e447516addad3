"""The container's view of its cgroups: cgroup v2, v1 and both side by side (hybrid).

With a cgroup namespace each hierarchy is mounted afresh and shows the container's own cgroup as
its root. Without one the container's own cgroup directory is bound there instead.
"""

import os
from typing import NamedTuple

from engine.runtime import mount as words
from engine.runtime import syscalls
from engine.runtime.plan import MountPlan

from . import paths

TYPES = ("cgroup", "cgroup2")
_MOUNT_POINT = "/sys/fs/cgroup"
_OURS = words.MS_NOSUID | words.MS_NODEV | words.MS_NOEXEC


class Hierarchy(NamedTuple):
    """One mounted cgroup hierarchy of the host."""

    mount_point: str
    root: str  # the cgroup shown at the mount point
    version: int
    option: str  # v1: the controllers, or name=…


def mount_view(root: int, mount: MountPlan, target: int, own_namespace: bool) -> None:
    """Mount what the host has: cgroup2 alone, or a read-only directory with one mount each."""
    flags = _OURS | mount.flags & ~(words.MS_BIND | words.MS_REC)
    found = hierarchies()
    if any(each.mount_point == _MOUNT_POINT and each.version == 2 for each in found):
        _mount_one(found[0], target, flags, own_namespace)
        return
    syscalls.mount("tmpfs", paths.magic(target), "tmpfs", _OURS, "mode=755,size=64k")
    top = paths.open_path(root, mount.target, os.O_PATH | os.O_DIRECTORY)
    for each in found:
        _mount_below(each, top, flags, own_namespace)
    _copy_links(top)
    if mount.flags & words.MS_RDONLY:
        syscalls.mount_setattr(top, attributes=words.ATTR_RDONLY)
    os.close(top)


def _mount_below(hierarchy: Hierarchy, top: int, flags: int, own_namespace: bool) -> None:
    name = os.path.basename(hierarchy.mount_point)
    os.mkdir(name, 0o755, dir_fd=top)
    target = paths.open_path(top, name)
    _mount_one(hierarchy, target, flags, own_namespace)
    os.close(target)


def _mount_one(hierarchy: Hierarchy, target: int, flags: int, own_namespace: bool) -> None:
    if own_namespace:
        kind = "cgroup2" if hierarchy.version == 2 else "cgroup"
        syscalls.mount(kind, paths.magic(target), kind, flags, hierarchy.option)
        return
    source = hierarchy.mount_point + _own_path(hierarchy)
    fd = syscalls.open_tree(syscalls.AT_FDCWD, source, syscalls.OPEN_TREE_CLONE)
    syscalls.mount_setattr(fd, attributes=words.attributes(flags))
    syscalls.move_mount(fd, target)
    os.close(fd)


def _own_path(hierarchy: Hierarchy) -> str:
    """Where this process is in the hierarchy, below its mount point."""
    wanted = set(hierarchy.option.split(",")) if hierarchy.version == 1 else {""}
    with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if set(controllers.split(",")) == wanted:
                return path.removeprefix(hierarchy.root.rstrip("/")).rstrip("/")
    return ""


def _copy_links(top: int) -> None:
    """The links some hosts keep for hierarchies mounted together (cpu -> cpu,cpuacct)."""
    with os.scandir(_MOUNT_POINT) as entries:
        for entry in entries:
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), entry.name, dir_fd=top)


def hierarchies() -> list[Hierarchy]:
    """The cgroup mounts below /sys/fs/cgroup that this process sees."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        parsed = [_parse(line) for line in lines if " - cgroup" in line]
    return [each for each in parsed if each is not None]


def _parse(line: str) -> Hierarchy | None:
    before, _, after = line.partition(" - ")
    _, _, _, root, point, *_ = before.split()
    kind, _, options = after.split()
    if not point.startswith(_MOUNT_POINT):
        return None
    if kind == "cgroup2":
        return Hierarchy(point, root, 2, "")
    return Hierarchy(point, root, 1, _controllers(options))


def _controllers(options: str) -> str:
    """What names the hierarchy among its super block options (`rw,xattr,name=systemd`)."""
    skip = ("rw", "ro", "xattr", "clone_children", "noprefix", "favordynmods", "cpuset_v2_mode")
    kept = [o for o in options.split(",") if o not in skip and not o.startswith("release_agent=")]
    return ",".join(kept)
