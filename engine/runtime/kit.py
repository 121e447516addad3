"""What nearly every container has alike, so that it can be made before one is asked for.

That is /proc, /dev and /sys with all that is mounted, made, hidden or read-only in them. The last
container that was made shows what the next one will want; one that wants something else has it made
in its own time, as everything else of a container's root.
"""

import marshal
import mmap
import os
from collections.abc import Container, Iterable
from struct import Struct
from typing import Any, NamedTuple

from engine.runtime import mount as words
from engine.runtime import syscalls
from engine.runtime.plan import CgroupMount, CgroupView, DevicePlan, InitPlan, MountPlan

TOPS = ("/proc", "/dev", "/sys")

NAMESPACES = (
    syscalls.CLONE_NEWPID | syscalls.CLONE_NEWNET | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWNS
)
"""Those whose inside shows in /proc, /dev/mqueue and /sys: the container needs its own."""

_FRESH = ("proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2")
_SETTLED = ("/proc/", "/sys/")
"""Where nothing is made for a container; a terminal's console is made in /dev."""


class Kit(NamedTuple):
    """The same fields of an `InitPlan`, as far as they are below one of `tops`."""

    tops: tuple[str, ...]
    mounts: tuple[MountPlan, ...]
    devices: tuple[DevicePlan, ...]
    masked_paths: tuple[str, ...]
    readonly_paths: tuple[str, ...]
    cgroup_mounts: tuple[CgroupMount, ...]
    cgroup_links: tuple[tuple[str, str], ...]
    own_cgroup: bool  # whether it has a cgroup namespace

    @property
    def cgroup_view(self) -> CgroupView:
        return CgroupView(self.cgroup_mounts, self.cgroup_links, self.own_cgroup)

    def to_bytes(self) -> bytes:
        """The same for equal kits, whoever made them."""
        nested: dict[str, Any] = {
            name: tuple(map(tuple, getattr(self, name)))
            for name in ("mounts", "devices", "cgroup_mounts")
        }
        return marshal.dumps(tuple(self._replace(**nested)), 2)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Kit":
        kit = cls._make(marshal.loads(data))
        return kit._replace(
            mounts=tuple(map(MountPlan._make, kit.mounts)),
            devices=tuple(map(DevicePlan._make, kit.devices)),
            cgroup_mounts=tuple(map(CgroupMount._make, kit.cgroup_mounts)),
        )


def of(plan: InitPlan) -> Kit | None:
    """The kit of this container; None when it shares, binds or takes from its image what is there.

    A tree is part of it where the container mounts a file system of its own at its top. Nor is
    there one for a container that hides, or makes read-only, what others are yet to be made in.
    """
    tops = tuple(mount.target for mount in plan.mounts if mount.target in TOPS)
    own = plan.unshare & NAMESPACES == NAMESPACES and not plan.join
    once = len(set(tops)) == len(tops) > 0
    hidden = (*plan.masked_paths, *plan.readonly_paths)
    if not own or not once or not _are_plain(plan.mounts, hidden):
        return None
    kit = Kit(
        tops,
        tuple(mount for mount in plan.mounts if within(tops, mount.target)),
        tuple(device for device in plan.devices if within(tops, device.path)),
        tuple(path for path in plan.masked_paths if within(tops, path)),
        tuple(path for path in plan.readonly_paths if within(tops, path)),
        plan.cgroup_mounts,
        plan.cgroup_links,
        bool(plan.unshare & syscalls.CLONE_NEWCGROUP),
    )
    settled = all(path.startswith(_SETTLED) for path in (*kit.masked_paths, *kit.readonly_paths))
    return kit if settled and all(map(_alone, kit.mounts)) else None


def within(tops: Container[str], path: str) -> bool:
    """Whether `path` is one of `tops`, which are directories of the root, or below."""
    end = path.find("/", 1)
    return (path if end < 0 else path[:end]) in tops


def _are_plain(mounts: Iterable[MountPlan], hidden: Iterable[str]) -> bool:
    """Whether each path says by its first name where it leads, but for links of the image."""
    paths = (*(mount.target for mount in mounts), *hidden)
    return all(path == os.path.normpath(path) and path[:2] != "//" for path in paths)


def _alone(mount: MountPlan) -> bool:
    """Whether it can be made without the image below it, and copied with what is mounted on it."""
    if mount.type == "tmpfs":
        own = "mode=" in mount.data and not mount.copy_up
        return own and not mount.propagation and not mount.flags & words.MS_RDONLY
    own_place = mount.type != "proc" or mount.target == "/proc"
    return mount.type in _FRESH and own_place and not mount.propagation


_HEAD = Struct("qq")
_SIZE = 64 * 1024


class Shared:
    """Bytes that whoever is forked from the maker of this reads and replaces, without a lock.

    What was being replaced while it was read is not what its hash says, and nothing is returned.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)

    def put(self, data: bytes) -> None:
        """Replace them; what is too long is left out."""
        if len(data) <= _SIZE - _HEAD.size:
            self._memory[_HEAD.size : _HEAD.size + len(data)] = data
            self._memory[: _HEAD.size] = _HEAD.pack(len(data), hash(data))

    def get(self) -> bytes:
        size, checked = _HEAD.unpack(self._memory[: _HEAD.size])
        data = bytes(self._memory[_HEAD.size : _HEAD.size + max(size, 0)])
        return data if data and hash(data) == checked else b""


LAST = Shared()
"""The kit of the container made last."""
