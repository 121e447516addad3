"""Making a kit's trees before there is a root to put them in.

They are made in a mount namespace that is left again, and kept as detached copies: the container's
own namespace is made later, and sees what the host has mounted until then.
"""

import os
from collections.abc import Container

from engine.runtime import devices, syscalls
from engine.runtime import mount as words
from engine.runtime.kit import Kit, within

from . import hide, root
from .mounts import Mounter

_PLACE = "/etc"
"""A directory that every host has, and of which nothing here needs what is inside."""

Trees = dict[str, int]
"""Descriptor of a detached tree, by the path where it belongs."""


def make(kit: Kit) -> Trees:
    """The kit's trees. The caller is in the container's namespaces but for mount and cgroup.

    It is in its cgroup and, where the kit wants one, has a cgroup namespace of its own from here
    on. Raises OSError.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC
    namespace, top = os.open("/proc/self/ns/mnt", flags), os.open("/", flags | os.O_DIRECTORY)
    syscalls.unshare(syscalls.CLONE_NEWNS | kit.own_cgroup * syscalls.CLONE_NEWCGROUP)
    os.umask(0)
    try:
        return _make(kit)
    finally:
        _return(namespace, top)


def _return(namespace: int, top: int) -> None:
    """Or end: who is somewhere else must not go on."""
    try:
        syscalls.setns(namespace, syscalls.CLONE_NEWNS)
        os.fchdir(top)
        os.chroot(".")  # joining a mount namespace goes to its root, which need not be ours
    except OSError:
        os._exit(255)
    os.close(namespace)
    os.close(top)


def _make(kit: Kit) -> Trees:
    root.isolate(words.MS_PRIVATE)
    syscalls.mount("tmpfs", _PLACE, "tmpfs", words.MS_NOSUID | words.MS_NODEV, "mode=755,size=64k")
    place = os.open(_PLACE, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    trees: Trees = {}
    try:
        _fill(kit, place)
        for path in kit.tops:
            flags = syscalls.OPEN_TREE_CLONE | syscalls.AT_RECURSIVE
            trees[path] = syscalls.open_tree(place, path.strip("/"), flags)
    except OSError:
        close(trees)
        raise
    finally:
        os.close(place)
    return trees


def _fill(kit: Kit, place: int) -> None:
    mounter = Mounter(place, kit.mounts, {})
    mounter.make()
    if "/dev" in kit.tops:
        devices.make_nodes(place, kit.devices)
        devices.make_links(place)
    mounter.make_cgroup(kit.cgroup_view)
    hide.make_readonly(place, kit.readonly_paths)
    hide.mask(place, kit.masked_paths)


def remaining(trees: Container[str], targets: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `targets` that are in none of the trees."""
    return tuple(path for path in targets if not within(trees, path))


def close(trees: Trees) -> None:
    """Let go of them, and of all that is mounted in them."""
    for fd in trees.values():
        os.close(fd)
    trees.clear()
