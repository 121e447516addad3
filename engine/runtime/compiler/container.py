"""The container itself: names, devices, paths, hooks, and what its parts have to do together."""

import re
import stat
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from engine.errors import InvalidArgument
from engine.runtime import devices, hierarchies, hooks, mount, plan, syscalls
from engine.runtime.fields import Fields
from engine.runtime.limits import check_resources
from engine.runtime.mount import Mount
from engine.runtime.sysctl import compile_sysctl

from . import labels, mounts
from .namespaces import LARGEST_ID, Namespaces, compile_namespaces
from .process import compile_process

_TYPES = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}
_VERSION = re.compile(r"1\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?\Z", re.ASCII)
_LONGEST_NAME = 64  # bytes; struct new_utsname of uname(2)


def compile_init(
    config: dict[str, Any],
    rootfs_mounts: Sequence[Mount],
    warnings: list[str],
    called: tuple[str, str],
) -> plan.InitPlan:
    """See `plan.compile`; `called` are the container's id and its bundle."""
    fields = Fields(config)
    _check_version(fields)
    linux, root = fields.object("linux"), fields.object("root")
    spaces = compile_namespaces(linux, warnings)
    check_resources(linux, warnings)
    linux.text("cgroupsPath")
    process = compile_process(config.get("process"), config, warnings, called)
    spaces.check_user(process)
    made = mounts.compile_mounts(fields, spaces, labels.mount_label(linux))
    return plan.InitPlan(
        process=process,
        unshare=spaces.unshare,
        join=spaces.join,
        uid_mappings=spaces.uids,
        gid_mappings=spaces.gids,
        hostname=_name(fields, "hostname", spaces),
        domainname=_name(fields, "domainname", spaces),
        sysctl=compile_sysctl(linux, spaces.owned),
        root=root.absolute("path"),
        rootfs_mounts=mounts.compile_layers(rootfs_mounts),
        root_propagation=_root_propagation(linux, made),
        root_readonly=root.boolean("readonly"),
        mounts=made,
        cgroup_mounts=hierarchies.mounted(),
        cgroup_links=hierarchies.links(),
        devices=_devices(linux),
        masked_paths=_paths(linux, "maskedPaths"),
        readonly_paths=_paths(linux, "readonlyPaths"),
        extras=_extras(fields, spaces, made, called),
    )


def _check_version(fields: Fields) -> None:
    """config.md, "Specification version": every 1.x is compatible with every other."""
    version = fields.required("ociVersion")
    if not _VERSION.match(version):
        raise InvalidArgument(f"ociVersion: must be 1.x.y, got {version!r}")


def _extras(
    fields: Fields,
    spaces: Namespaces,
    made: tuple[plan.MountPlan, ...],
    called: tuple[str, str],
) -> plan.ContainerExtras | tuple[()]:
    annotations = fields.words("annotations")
    wanted = _hooks(fields)
    offsets = spaces.time_offsets
    idmapped = any(each.idmap for each in made)
    joins_user = any(flag == syscalls.CLONE_NEWUSER for flag, _ in spaces.join)
    group = _resctrl(fields.object("linux"), called[0])
    needed = wanted or offsets or idmapped or joins_user or spaces.unusual or group
    if not needed:
        return ()
    return plan.ContainerExtras(*called, annotations, offsets, wanted, group)


def _resctrl(linux: Fields, container_id: str) -> tuple[str, str, bool] | tuple[()]:
    if linux.value.get("intelRdt") is None:
        return ()
    from .resctrl import compile_resctrl  # few ask for it, and it takes its time to load

    return compile_resctrl(linux, container_id)


def _hooks(fields: Fields) -> dict[str, list[dict[str, Any]]]:
    """All six kinds are checked; those after the start are not init's and not its maker's."""
    listed = fields.object("hooks")
    checked = {kind: [_hook(each) for each in listed.objects(kind)] for kind in hooks.KINDS}
    return {kind: checked[kind] for kind in hooks.KINDS[:4] if checked[kind]}


def _hook(each: Fields) -> dict[str, Any]:
    hook: dict[str, Any] = {
        "path": each.absolute("path"),
        "args": each.texts("args"),
        "env": each.texts("env"),
    }
    if each.value.get("timeout") is not None:
        hook["timeout"] = each.number("timeout", 0, 1, 2**31 - 1)
    return hook


def _name(fields: Fields, name: str, spaces: Namespaces) -> str:
    value = fields.text(name)
    if value and not spaces.owned & syscalls.CLONE_NEWUTS:
        raise InvalidArgument(f"{name}: needs a uts namespace in linux.namespaces")
    if len(value.encode(errors="surrogateescape")) > _LONGEST_NAME:
        raise InvalidArgument(f"{name}: must be at most {_LONGEST_NAME} bytes, got {value!r}")
    return value


def _root_propagation(linux: Fields, made: Sequence[plan.MountPlan]) -> int:
    word = linux.text("rootfsPropagation")
    if word:
        if word not in mount.PROPAGATION:
            raise InvalidArgument(f"linux.rootfsPropagation: unknown value {word!r}")
        return mount.PROPAGATION[word]
    slaves = any(each.propagation & mount.MS_SLAVE for each in made)
    return mount.MS_SLAVE | mount.MS_REC if slaves else 0


def _devices(linux: Fields) -> tuple[plan.DevicePlan, ...]:
    result = {device.path: device for device in devices.DEFAULT}
    for each in linux.objects("devices"):
        device = _device(each)
        result[device.path] = device
    return tuple(result.values())


def _device(each: Fields) -> plan.DevicePlan:
    kind = each.text("type")
    if kind not in _TYPES:
        raise InvalidArgument(f"{each.path}.type: must be one of c u b p, got {kind!r}")
    path = each.absolute("path")
    if path.endswith("/") or ".." in path.split("/"):
        raise InvalidArgument(f"{each.path}.path: must name a file, got {path!r}")
    number = each.number if kind == "p" else lambda key, _, *bounds: each.needed(key, *bounds)
    return plan.DevicePlan(
        path=path,
        mode=_TYPES[kind] | each.number("fileMode", 0o666, 0, 0o7777),
        major=number("major", 0, 0, 4095),
        minor=number("minor", 0, 0, 2**20 - 1),
        uid=each.number("uid", 0, 0, LARGEST_ID),
        gid=each.number("gid", 0, 0, LARGEST_ID),
    )


def _paths(linux: Fields, name: str) -> tuple[str, ...]:
    values = tuple(linux.texts(name))
    for index, path in enumerate(values):
        if not path.startswith("/"):
            raise InvalidArgument(f"linux.{name}[{index}]: must be absolute, got {path!r}")
    return _without_nested(values) if name == "maskedPaths" else values


@lru_cache(64)  # most containers hide the same
def _without_nested(values: tuple[str, ...]) -> tuple[str, ...]:
    """A path below another masked one is gone already, and the mask over it is read-only."""
    kept: list[str] = []
    for path in sorted(values):
        if not any(path == other or path.startswith(other + "/") for other in kept):
            kept.append(path)
    return tuple(kept)
