"""Which hierarchies this machine mounts, where, and which controllers live in each."""

import os
from typing import NamedTuple

from engine.runtime.cgroups import files

ENGINE = "berth-engine"
"""Where the engine goes in a cgroup that was delegated to it: v2 gives limits to the children of
a cgroup without processes of its own only."""

_ESCAPES = (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\"))


class Hierarchy(NamedTuple):
    """One mounted tree.

    `base` is the directory below which a path of ours goes: the mount point where it can be
    written, or else our own place in it (a delegated subtree).
    """

    version: int
    mount_point: str
    controllers: tuple[str, ...]
    base: str
    writable: bool


class Layout(NamedTuple):
    """What there is. `mode` is `v1`, `v2`, `hybrid` (v1 controllers, v2 beside them) or `none`."""

    mode: str
    hierarchies: tuple[Hierarchy, ...]

    def find(self, controller: str) -> Hierarchy | None:
        """The writable hierarchy that has the controller, v1 before v2 as only one can have it."""
        having = (h for h in self.hierarchies if controller in h.controllers and h.writable)
        return min(having, key=lambda h: h.version, default=None)

    @property
    def unified(self) -> Hierarchy | None:
        """The writable v2 hierarchy, with or without controllers."""
        return next((h for h in self.hierarchies if h.version == 2 and h.writable), None)


class _Mount(NamedTuple):
    root: str
    point: str
    kind: str
    options: tuple[str, ...]


def detect(root: str = "/sys/fs/cgroup", *, proc: str = "/proc/self") -> Layout:
    """Read the mounts and our own place from /proc (proc_pid_mountinfo(5), cgroups(7)).

    Mounts at or below `root` win; where there are none, mounts anywhere count, because nothing
    obliges a machine to mount cgroups there.
    """
    mounts = _cgroup_mounts(files.read(f"{proc}/mountinfo"))
    near = [m for m in mounts if m.point == root or m.point.startswith(f"{root}/")]
    places = _own_places(files.read_if_there(f"{proc}/cgroup"))
    found: dict[tuple[str, ...], Hierarchy] = {}
    for mount in near or mounts:
        hierarchy = _hierarchy(mount, places)
        found.setdefault((str(hierarchy.version), *hierarchy.controllers), hierarchy)
    hierarchies = tuple(found.values())
    return Layout(_mode(hierarchies), hierarchies)


def _cgroup_mounts(mountinfo: str) -> list[_Mount]:
    mounts = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if kinds[0] in {"cgroup", "cgroup2"}:
            options = tuple(kinds[2].split(","))
            mounts.append(_Mount(_unescape(fields[3]), _unescape(fields[4]), kinds[0], options))
    return mounts


def _unescape(path: str) -> str:
    for code, character in _ESCAPES:
        path = path.replace(code, character)
    return path


def _own_places(text: str) -> dict[str, str]:
    """Map each controller, `name=…`, and the empty string for v2, to our own path."""
    places = {}
    for line in text.splitlines():
        _, names, path = line.split(":", 2)
        places.update(dict.fromkeys(names.split(","), path))
    return places


def _hierarchy(mount: _Mount, places: dict[str, str]) -> Hierarchy:
    version = 2 if mount.kind == "cgroup2" else 1
    if version == 2:
        base = _base(mount, places.get("", "/"))
        names = tuple(files.read_if_there(f"{base}/cgroup.controllers").split())
    else:
        names = tuple(option for option in mount.options if option in places and option)
        base = _base(mount, places.get(names[0], "/") if names else "/")
    return Hierarchy(version, mount.point, names, base, _is_writable(base))


def _is_writable(base: str) -> bool:
    """A delegation gives the directory and its list of processes (cgroups(7)); half is none."""
    procs = f"{base}/cgroup.procs"
    return os.access(base, os.W_OK) and (os.access(procs, os.W_OK) or not os.path.exists(procs))


def _base(mount: _Mount, place: str) -> str:
    if os.access(mount.point, os.W_OK):
        return mount.point
    inside = os.path.relpath(place, mount.root)
    own = os.path.normpath(f"{mount.point}/{inside}")
    own = os.path.dirname(own) if os.path.basename(own) == ENGINE else own
    return own if not inside.startswith("..") and os.path.isdir(own) else mount.point


def _mode(hierarchies: tuple[Hierarchy, ...]) -> str:
    versions = {hierarchy.version for hierarchy in hierarchies}
    if versions == {1, 2}:
        return "hybrid"
    return {frozenset({1}): "v1", frozenset({2}): "v2"}.get(frozenset(versions), "none")
