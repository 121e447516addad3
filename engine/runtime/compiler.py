"""From an OCI runtime config to a plan: every check that can be made before anything exists.

Loaded on the engine's side only. Each refusal names the field as the spec writes it.
"""

import stat
from collections.abc import Iterable, Sequence
from typing import Any

from engine.errors import InvalidArgument, Unsupported

from . import capabilities, devices, hierarchies, mount, namespaces, plan, rlimits, syscalls
from .fields import Fields
from .limits import check_resources
from .mount import Mount
from .sysctl import compile_sysctl

_SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")
_TYPES = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}
# What runc, too, lets a mount cover below /proc: files that lxcfs and the like provide.
_PROC_TARGETS = frozenset(
    f"/proc/{name}"
    for name in (
        *("cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg"),
        *("slabinfo", "kmsg", "sys/kernel/ns_last_pid", "sys/crypto/fips_enabled"),
    )
)
_LARGEST_ID = 2**32 - 2


def compile_init(
    config: dict[str, Any], rootfs_mounts: Sequence[Mount], warnings: list[str]
) -> plan.InitPlan:
    """See `plan.compile`."""
    fields = Fields(config)
    linux = fields.object("linux")
    _refuse_unsupported(fields)
    unshare, join = _namespaces(linux)
    root = fields.object("root")
    _require(unshare | sum(flag for flag, _ in join), linux)
    check_resources(linux, warnings)
    return plan.InitPlan(
        process=compile_process(config.get("process"), linux.value.get("seccomp"), warnings),
        unshare=unshare,
        join=join,
        uid_mappings=_mappings(linux, "uidMappings"),
        gid_mappings=_mappings(linux, "gidMappings"),
        hostname=_name(fields, "hostname", unshare),
        domainname=_name(fields, "domainname", unshare),
        sysctl=compile_sysctl(linux, unshare, join),
        root=root.absolute("path"),
        rootfs_mounts=tuple(_mount(each, "") for each in rootfs_mounts),
        root_propagation=_root_propagation(linux, fields),
        root_readonly=root.boolean("readonly"),
        mounts=_mounts(fields),
        cgroup_mounts=hierarchies.mounted(),
        cgroup_links=hierarchies.links(),
        devices=_devices(linux),
        masked_paths=_paths(linux, "maskedPaths"),
        readonly_paths=_paths(linux, "readonlyPaths"),
    )


def compile_process(
    process: dict[str, Any] | None, seccomp: dict[str, Any] | None, warnings: list[str]
) -> plan.ExecPlan:
    """See `plan.compile_exec`; with `seccomp` its policy is compiled in."""
    if process is None:
        raise InvalidArgument("process: missing")
    fields = Fields(process, "process")
    user, size = fields.object("user"), fields.object("consoleSize")
    program, flags = _seccomp(seccomp)
    for name in ("apparmorProfile", "selinuxLabel"):
        if fields.text(name):
            warnings.append(f"process.{name}: not supported and not applied")
    return plan.ExecPlan(
        args=_args(fields),
        env=_env(fields),
        cwd=fields.absolute("cwd"),
        uid=user.number("uid", 0, 0, _LARGEST_ID),
        gid=user.number("gid", 0, 0, _LARGEST_ID),
        groups=tuple(user.numbers("additionalGids", 0, _LARGEST_ID)),
        umask=user.number("umask", 0o022, 0, 0o777),
        terminal=fields.boolean("terminal"),
        rows=size.number("height", 0, 0, 65535),
        columns=size.number("width", 0, 0, 65535),
        no_new_privileges=fields.boolean("noNewPrivileges"),
        capabilities=_capabilities(fields),
        rlimits=_rlimits(fields, warnings),
        oom_score_adj=_oom_score(fields),
        seccomp=program,
        seccomp_flags=flags,
    )


def _refuse_unsupported(fields: Fields) -> None:
    if any(fields.object("hooks").value.values()):
        raise Unsupported("hooks: not supported by this runtime")
    if fields.object("linux").value.get("intelRdt"):
        raise Unsupported("linux.intelRdt: not supported by this runtime")


# --- the process -------------------------------------------------------------------------------


def _args(fields: Fields) -> tuple[str, ...]:
    args = tuple(fields.texts("args"))
    if not args:
        raise InvalidArgument("process.args: must have at least one element")
    if not args[0]:
        raise InvalidArgument("process.args[0]: must not be empty")
    return args


def _env(fields: Fields) -> tuple[str, ...]:
    entries = tuple(fields.texts("env"))
    for index, entry in enumerate(entries):
        if entry.startswith("="):
            raise InvalidArgument(f"process.env[{index}]: must be NAME=value, got {entry!r}")
    return entries


def _capabilities(fields: Fields) -> plan.Capabilities:
    sets = fields.object("capabilities")
    masks = []
    for name in _SETS:
        names = sets.texts(name)
        unknown = [each for each in names if each not in capabilities.BITS]
        if unknown:
            raise InvalidArgument(f"{sets.path}.{name}: unknown capability {unknown[0]!r}")
        masks.append(capabilities.mask(names))
    return plan.Capabilities(*masks)


def _rlimits(fields: Fields, warnings: list[str]) -> tuple[rlimits.Limit, ...]:
    limits = []
    privileged = bool(syscalls.capget()[0] & capabilities.SYS_RESOURCE)
    for each in fields.objects("rlimits"):
        kind = rlimits.number(each.text("type"))
        if kind is None:
            raise InvalidArgument(f"{each.path}.type: unknown limit {each.text('type')!r}")
        soft, hard = _limit(each, "soft"), _limit(each, "hard")
        if hard != rlimits.UNLIMITED and (soft == rlimits.UNLIMITED or soft > hard):
            raise InvalidArgument(f"{each.path}.soft: {soft} is above the hard limit {hard}")
        limits.append(
            rlimits.clamp((kind, soft, hard), rlimits.ceiling(kind, privileged), warnings)
        )
    kinds = [kind for kind, _, _ in limits]
    if len(set(kinds)) != len(kinds):
        raise InvalidArgument("process.rlimits: a limit is given twice")
    return tuple(limits)


def _limit(fields: Fields, name: str) -> int:
    value = fields.number(name, 0, -1, 2**64 - 1)
    return rlimits.UNLIMITED if value >= 2**63 else value


def _oom_score(fields: Fields) -> int | None:
    if fields.value.get("oomScoreAdj") is None:
        return None
    return fields.number("oomScoreAdj", 0, -1000, 1000)


def _seccomp(policy: dict[str, Any] | None) -> tuple[bytes, int]:
    if not policy:
        return b"", 0
    from . import seccomp  # heavy, and many processes are never compiled with a policy

    return seccomp.compile(policy), seccomp.filter_flags(policy)


# --- the container -----------------------------------------------------------------------------


def _namespaces(linux: Fields) -> tuple[int, tuple[tuple[int, str], ...]]:
    unshare, join, seen = 0, [], set()
    for each in linux.objects("namespaces"):
        kind = each.text("type")
        if kind not in namespaces.FLAGS:
            raise InvalidArgument(f"{each.path}.type: unknown namespace {kind!r}")
        if kind in seen:
            raise InvalidArgument(f"{each.path}.type: {kind!r} is given twice")
        seen.add(kind)
        if each.text("path"):
            join.append((namespaces.FLAGS[kind], each.absolute("path")))
        else:
            unshare |= namespaces.FLAGS[kind]
    return unshare, tuple(join)


def _require(flags: int, linux: Fields) -> None:
    if not flags & syscalls.CLONE_NEWNS:
        raise InvalidArgument("linux.namespaces: a mount namespace is required")
    mapped = linux.value.get("uidMappings") or linux.value.get("gidMappings")
    if mapped and not flags & syscalls.CLONE_NEWUSER:
        raise InvalidArgument("linux.uidMappings: needs a user namespace in linux.namespaces")


def _mappings(linux: Fields, name: str) -> tuple[tuple[int, int, int], ...]:
    keys = ("containerID", "hostID", "size")
    result = []
    for each in linux.objects(name):
        inside, outside, size = (each.number(key, 0, 0, 2**32 - 1) for key in keys)
        result.append((inside, outside, size))
    return tuple(result)


def _name(fields: Fields, name: str, unshare: int) -> str:
    value = fields.text(name)
    if value and not unshare & syscalls.CLONE_NEWUTS:
        raise InvalidArgument(f"{name}: needs a new uts namespace in linux.namespaces")
    if len(value.encode()) > 64:
        raise InvalidArgument(f"{name}: must be at most 64 bytes, got {value!r}")
    return value


def _root_propagation(linux: Fields, fields: Fields) -> int:
    word = linux.text("rootfsPropagation")
    if word:
        if word not in mount.PROPAGATION:
            raise InvalidArgument(f"linux.rootfsPropagation: unknown value {word!r}")
        return mount.PROPAGATION[word]
    wanted = {option for each in fields.objects("mounts") for option in each.texts("options")}
    return mount.MS_SLAVE | mount.MS_REC if wanted & {"slave", "rslave"} else 0


def _mounts(fields: Fields) -> tuple[plan.MountPlan, ...]:
    result = []
    for each in fields.objects("mounts"):
        target = each.absolute("destination")
        _check_target(each, target)
        options = tuple(each.texts("options"))
        kind, source = each.text("type"), each.text("source")
        result.append(_mount(Mount(kind, source, target, options), each.path))
    return tuple(result)


def _check_target(fields: Fields, target: str) -> None:
    if target == "/":
        raise InvalidArgument(f"{fields.path}.destination: must not be the root")
    if ".." in target.split("/"):
        raise InvalidArgument(f"{fields.path}.destination: must not have .., got {target!r}")
    if target.startswith("/proc/") and target not in _PROC_TARGETS:
        raise InvalidArgument(f"{fields.path}.destination: {target!r} cannot be inside /proc")


def _mount(each: Mount, path: str) -> plan.MountPlan:
    options = mount.parse_options(each.options)
    bind = bool(options.flags & mount.MS_BIND) or each.type == "bind"
    if not bind and not each.type:
        raise InvalidArgument(f"{path or 'rootfs'}.type: missing, and no bind option given")
    if bind and options.data:
        raise InvalidArgument(f"{path or 'rootfs'}.options: unknown option {options.data[0]!r}")
    if bind and not each.source.startswith("/"):
        raise InvalidArgument(f"{path or 'rootfs'}.source: must be absolute, got {each.source!r}")
    return plan.MountPlan(
        type="bind" if bind else each.type,
        source=each.source or each.type,
        target=each.target if path else "",
        flags=options.flags,
        propagation=options.propagation,
        tree_set=options.tree_set,
        tree_cleared=options.tree_cleared,
        data=",".join(options.data),
    )


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
    return plan.DevicePlan(
        path=each.absolute("path"),
        mode=_TYPES[kind] | each.number("fileMode", 0o666, 0, 0o7777),
        major=each.number("major", 0, 0, 4095),
        minor=each.number("minor", 0, 0, 2**20 - 1),
        uid=each.number("uid", 0, 0, _LARGEST_ID),
        gid=each.number("gid", 0, 0, _LARGEST_ID),
    )


def _paths(linux: Fields, name: str) -> tuple[str, ...]:
    values = tuple(linux.texts(name))
    for index, path in enumerate(values):
        if not path.startswith("/"):
            raise InvalidArgument(f"linux.{name}[{index}]: must be absolute, got {path!r}")
    return _without_nested(values) if name == "maskedPaths" else values


def _without_nested(values: Iterable[str]) -> tuple[str, ...]:
    """A path below another masked one is gone already, and the mask over it is read-only."""
    kept: list[str] = []
    for path in sorted(values):
        if not any(path == other or path.startswith(other + "/") for other in kept):
            kept.append(path)
    return tuple(kept)
