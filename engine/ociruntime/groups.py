"""The container's cgroup: where `linux.cgroupsPath` says that it is."""

import errno
import os
from typing import Any

from engine.errors import InvalidArgument, RuntimeFailure
from engine.ociruntime import store
from engine.ociruntime.options import Options
from engine.ociruntime.record import Record
from engine.runtime.cgroups import Layout, Manager, Resources, detect, files, placement

_DISABLED = "disabled"
_MANAGERS = ("", "cgroupfs", "systemd", _DISABLED)
_SYSTEMD_RUNS = "/run/systemd/system"  # sd_booted(3)


class Wanted:
    """Who is to make the cgroup, by the flags of runc and of crun. Raises InvalidArgument."""

    def __init__(self, common: Options) -> None:
        asked = common.text("cgroup-manager")
        if asked not in _MANAGERS:
            known = ", ".join(_MANAGERS[1:])
            raise InvalidArgument(f"--cgroup-manager: expected one of {known}, got {asked!r}")
        self.systemd = common.flag("systemd-cgroup") or asked == "systemd"
        self.disabled = asked == _DISABLED

    def path_of(self, cgroups_path: str, container_id: str) -> str:
        """As below; empty where there is to be none: the container stays in its caller's."""
        if self.disabled:
            return ""
        if not _is_users_systemd(systemd=self.systemd):
            return path_of(cgroups_path, container_id, systemd=self.systemd)
        return f"{_users_own()}/{_scope(cgroups_path, container_id, 'user.slice')}"


def _is_users_systemd(*, systemd: bool) -> bool:
    """Whether the user's own systemd is to be asked: that of the system is root's."""
    return systemd and os.path.isdir(_SYSTEMD_RUNS) and not store.is_root()


def _users_own() -> str:
    from engine.runtime.cgroups.systemd import control_group

    return control_group(user=True).strip("/")


def path_of(cgroups_path: str, container_id: str, *, systemd: bool) -> str:
    """The cgroup below each hierarchy's root, without a leading slash.

    `cgroups_path` is a path, or with `systemd` `slice:prefix:name`, for which systemd's own rule
    (systemd.slice(5)) gives the path: `a-b.slice:p:n` is `a.slice/a-b.slice/p-n.scope`.

    Raises InvalidArgument.
    """
    if systemd:
        return _scope(cgroups_path, container_id, "system.slice")
    path = cgroups_path.strip("/") or container_id
    if any(part in {"", ".", ".."} for part in path.split("/")):
        raise InvalidArgument(f"linux.cgroupsPath: must be a plain path, got {cgroups_path!r}")
    return path


def _scope(text: str, container_id: str, usual: str) -> str:
    parts = text.split(":") if text else ["", "berth", container_id]
    if len(parts) != 3 or "/" in text:
        raise InvalidArgument(
            f"linux.cgroupsPath: expected slice:prefix:name for systemd cgroups, got {text!r}"
        )
    parent, prefix, name = parts
    unit = name if name.endswith(".slice") else f"{prefix}-{name}.scope" if prefix else name
    return f"{_slices(parent or usual)}/{unit}".strip("/")


def _slices(name: str) -> str:
    try:
        return placement.slice_path(name)
    except InvalidArgument as error:
        raise InvalidArgument(f"linux.cgroupsPath: {error}") from error


def manager(kept: Record) -> Manager:
    """The container's cgroup, made by systemd if that was asked for and there is one.

    Where it was disabled every limit is warned of, and nothing can be frozen.
    """
    if not kept.cgroup:
        return Manager(Layout("none", ()), kept.id)
    if kept.systemd and kept.cgroup.endswith(".scope") and os.path.isdir(_SYSTEMD_RUNS):
        from engine.runtime.cgroups.systemd import Scope  # few ask for it

        return Scope(detect(), kept.cgroup, user=_is_users_systemd(systemd=True))
    return Manager(detect(), kept.cgroup)


def limit(kept: Record, group: Manager, resources: dict[str, Any]) -> list[str]:
    """Set OCI's `linux.resources`; returns warnings.

    Raises RuntimeFailure where a user without root gets no cgroup that would keep them, as runc
    does: who asks for limits must not believe in them. With `disabled` they are warned of.
    """
    wanted = Resources.from_oci(resources)
    warnings = group.apply(wanted)
    lacks = group.lacks(wanted) if kept.cgroup and not store.is_root() else []
    if lacks:
        raise RuntimeFailure(
            f"linux.resources: there is no cgroup here with {', '.join(lacks)}, so that no such "
            "limit would be kept: have one delegated, or ask for no limits"
        )
    return warnings


def join(group: Manager, pid: int, init: int, wanted: list[str]) -> None:
    """Move `pid` into the container's cgroup, or into the sub-cgroups `wanted` of it.

    Each of these is `<path>`, for every hierarchy, or `<controllers>:<path>`. On cgroup v2 a cgroup
    that has handed its controllers on takes no process (EBUSY): then it goes to where the process
    `init` is, as in runc. Raises InvalidArgument or OSError.
    """
    if wanted:
        _join_below(group, pid, wanted)
        return
    try:
        group.attach(pid)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        _follow(group, pid, init)


def _join_below(group: Manager, pid: int, wanted: list[str]) -> None:
    for text in wanted:
        controllers, colon, path = text.rpartition(":")
        below = path.strip("/")
        if ".." in below.split("/"):
            raise InvalidArgument(f"{path} is not a sub cgroup path")
        places = _places(group, controllers.split(",")) if colon else group.directories()
        for place in places:
            directory = f"{place}/{below}" if below else place
            if not os.path.isdir(directory):
                raise InvalidArgument(f"--cgroup: {directory} does not exist")
            files.write(f"{directory}/cgroup.procs", str(pid))


def _places(group: Manager, controllers: list[str]) -> list[str]:
    found = []
    for name in controllers:
        place = group.find(name, name)
        if place is None:
            raise InvalidArgument(f"--cgroup: no controller {name!r} here")
        found.append(place[1])
    return found


def _follow(group: Manager, pid: int, init: int) -> None:
    if group.unified is None or group.layout.unified is None:
        raise InvalidArgument("the container's cgroup takes no process")
    for line in files.read(f"/proc/{init}/cgroup").splitlines():
        number, _, path = line.split(":", 2)
        if number == "0":
            base = group.layout.unified.mount_point
            files.write(f"{base}{path}/cgroup.procs", str(pid))
