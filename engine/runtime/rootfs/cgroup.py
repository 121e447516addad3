"""The container's view of its cgroups: cgroup v2, v1 and both side by side (hybrid).

With a cgroup namespace each hierarchy is mounted afresh and shows the container's own cgroup as
its root. Without one the container's own cgroup directory is bound there instead.
"""

import errno
import os

from engine.runtime import mount as words
from engine.runtime import syscalls
from engine.runtime.plan import CgroupMount, CgroupView, MountPlan

from . import paths

TYPES = ("cgroup", "cgroup2")
MOUNT_POINT = "/sys/fs/cgroup"
_LARGEST = 64 * 1024
_Places = dict[frozenset[str], str]
_OURS = words.MS_NOSUID | words.MS_NODEV | words.MS_NOEXEC


def mount_view(root: int, mount: MountPlan, target: int, view: CgroupView) -> None:
    """Mount what the host has: cgroup2 alone, or a read-only directory with one mount each."""
    flags = _OURS | mount.flags & ~(words.MS_BIND | words.MS_REC)
    places = {} if view.own_namespace else _own_places()
    top_level = [each for each in view.mounts if each.mount_point == MOUNT_POINT]
    if top_level:
        _mount_one(top_level[0], target, flags, places)
        return
    syscalls.mount("tmpfs", paths.magic(target), "tmpfs", _OURS, "mode=755,size=64k")
    top = paths.open_path(root, mount.target, os.O_PATH | os.O_DIRECTORY)
    for each in view.mounts:
        _mount_below(each, top, flags, places)
    for name, link in view.links:
        os.symlink(link, name, dir_fd=top)
    if mount.flags & words.MS_RDONLY:
        syscalls.mount_setattr(top, attributes=words.ATTR_RDONLY)
    os.close(top)


def _mount_below(hierarchy: CgroupMount, top: int, flags: int, places: _Places) -> None:
    name = os.path.basename(hierarchy.mount_point)
    os.mkdir(name, 0o755, dir_fd=top)
    target = paths.open_path(top, name)
    _mount_one(hierarchy, target, flags, places)
    os.close(target)


def _mount_one(hierarchy: CgroupMount, target: int, flags: int, places: _Places) -> None:
    """Afresh in a cgroup namespace of its own; otherwise (`places`) its own directory."""
    if not places:
        try:
            _mount_afresh(hierarchy, target, flags)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            # The host's is there, with its /sys: the kernel mounts no file system upon itself.
            syscalls.mount("tmpfs", paths.magic(target), "tmpfs", _OURS, "mode=755,size=4k")
            _mount_afresh(hierarchy, target, flags)
        return
    source = hierarchy.mount_point + _own_path(hierarchy, places)
    fd = syscalls.open_tree(syscalls.AT_FDCWD, source, syscalls.OPEN_TREE_CLONE)
    syscalls.mount_setattr(fd, attributes=words.attributes(flags))
    syscalls.move_mount(fd, target)
    os.close(fd)


def _mount_afresh(hierarchy: CgroupMount, target: int, flags: int) -> None:
    kind = "cgroup2" if hierarchy.version == 2 else "cgroup"
    syscalls.mount(kind, paths.magic(target), kind, flags, hierarchy.option)


def _own_places() -> _Places:
    """Where this process is, by the controllers of each hierarchy (cgroups(7)); v2 has none."""
    places = {}
    fd = os.open("/proc/self/cgroup", os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = os.fsdecode(os.read(fd, _LARGEST))
    finally:
        os.close(fd)
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        places[frozenset(controllers.split(","))] = path
    return places


def _own_path(hierarchy: CgroupMount, places: _Places) -> str:
    """The same below the hierarchy's mount point. Raises OSError when it is not to be known."""
    option = hierarchy.option if hierarchy.version == 1 else ""
    path = places.get(frozenset(option.split(",")))
    if path is None:
        text = f"no cgroup of this process in the hierarchy at {hierarchy.mount_point}"
        raise FileNotFoundError(errno.ENOENT, text)
    return path.removeprefix(hierarchy.root.rstrip("/")).rstrip("/")
