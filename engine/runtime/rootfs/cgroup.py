"""The container's view of its cgroups: cgroup v2, v1 and both side by side (hybrid).

With a cgroup namespace each hierarchy is mounted afresh and shows the container's own cgroup as
its root. Without one the container's own cgroup directory is bound there instead.
"""

import os

from engine.runtime import mount as words
from engine.runtime import syscalls
from engine.runtime.plan import CgroupMount, CgroupView, MountPlan

from . import paths

TYPES = ("cgroup", "cgroup2")
MOUNT_POINT = "/sys/fs/cgroup"
_OURS = words.MS_NOSUID | words.MS_NODEV | words.MS_NOEXEC


def mount_view(root: int, mount: MountPlan, target: int, view: CgroupView) -> None:
    """Mount what the host has: cgroup2 alone, or a read-only directory with one mount each."""
    flags = _OURS | mount.flags & ~(words.MS_BIND | words.MS_REC)
    top_level = [each for each in view.mounts if each.mount_point == MOUNT_POINT]
    if top_level:
        _mount_one(top_level[0], target, flags, view.own_namespace)
        return
    syscalls.mount("tmpfs", paths.magic(target), "tmpfs", _OURS, "mode=755,size=64k")
    top = paths.open_path(root, mount.target, os.O_PATH | os.O_DIRECTORY)
    for each in view.mounts:
        _mount_below(each, top, flags, view.own_namespace)
    for name, link in view.links:
        os.symlink(link, name, dir_fd=top)
    if mount.flags & words.MS_RDONLY:
        syscalls.mount_setattr(top, attributes=words.ATTR_RDONLY)
    os.close(top)


def _mount_below(hierarchy: CgroupMount, top: int, flags: int, own_namespace: bool) -> None:
    name = os.path.basename(hierarchy.mount_point)
    os.mkdir(name, 0o755, dir_fd=top)
    target = paths.open_path(top, name)
    _mount_one(hierarchy, target, flags, own_namespace)
    os.close(target)


def _mount_one(hierarchy: CgroupMount, target: int, flags: int, own_namespace: bool) -> None:
    if own_namespace:
        kind = "cgroup2" if hierarchy.version == 2 else "cgroup"
        syscalls.mount(kind, paths.magic(target), kind, flags, hierarchy.option)
        return
    source = hierarchy.mount_point + _own_path(hierarchy)
    fd = syscalls.open_tree(syscalls.AT_FDCWD, source, syscalls.OPEN_TREE_CLONE)
    syscalls.mount_setattr(fd, attributes=words.attributes(flags))
    syscalls.move_mount(fd, target)
    os.close(fd)


def _own_path(hierarchy: CgroupMount) -> str:
    """Where this process is in the hierarchy, below its mount point."""
    wanted = set(hierarchy.option.split(",")) if hierarchy.version == 1 else {""}
    with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if set(controllers.split(",")) == wanted:
                return path.removeprefix(hierarchy.root.rstrip("/")).rstrip("/")
    return ""
