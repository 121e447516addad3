"""`mounts`: option words to flags, and targets and sources that make sense."""

from collections.abc import Sequence
from functools import lru_cache

from engine.errors import InvalidArgument
from engine.runtime import mount, plan
from engine.runtime.fields import Fields
from engine.runtime.mount import Mount, MountOptions

from .namespaces import Namespaces, mappings

# What runc, too, lets a mount cover below /proc: files that lxcfs and the like provide.
_PROC_TARGETS = frozenset(
    f"/proc/{name}"
    for name in (
        *("cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg"),
        *("slabinfo", "kmsg", "sys/kernel/ns_last_pid", "sys/crypto/fips_enabled"),
    )
)
# Labelled by the kernel, or not at all.
_UNLABELLED = frozenset({"bind", "proc", "sysfs", "mqueue", "cgroup", "cgroup2"})


_MAPPINGS = {"uidMappings", "gidMappings"}
_options = lru_cache(256)(mount.parse_options)  # most containers have the same mounts


def compile_mounts(fields: Fields, spaces: Namespaces, label: str) -> tuple[plan.MountPlan, ...]:
    """All of `mounts`; `label` is the SELinux context of fresh ones."""
    result = []
    for each in fields.objects("mounts"):
        target = each.absolute("destination")
        _check_target(each, target)
        options = tuple(each.texts("options"))
        made = Mount(each.text("type"), each.text("source"), target, options)
        planned = _mount(made, each.path)._replace(idmap=_idmap(each, options, spaces))
        if planned.idmap and planned.type != "bind":
            raise InvalidArgument(f"{each.path}.options: only a bind mount can be idmapped")
        result.append(_labelled(planned, label))
    return tuple(result)


def compile_layers(layers: Sequence[Mount]) -> tuple[plan.MountPlan, ...]:
    """What the root file system is mounted from."""
    return tuple(_mount(each, "") for each in layers)


def _check_target(fields: Fields, target: str) -> None:
    if not target.strip("/"):
        raise InvalidArgument(f"{fields.path}.destination: must not be the root")
    if ".." in target.split("/"):
        raise InvalidArgument(f"{fields.path}.destination: must not have .., got {target!r}")
    inside = target.startswith("/proc/") and target.strip("/") != "proc"
    if inside and target not in _PROC_TARGETS:
        raise InvalidArgument(f"{fields.path}.destination: {target!r} cannot be inside /proc")


def _mount(each: Mount, path: str) -> plan.MountPlan:
    options = _options(each.options)
    bind = bool(options.flags & mount.MS_BIND) or each.type == "bind"
    _check(each, options, path or "rootfs", bind)
    return plan.MountPlan(
        type="bind" if bind else each.type,
        source=each.source or each.type,
        target=each.target if path else "",
        flags=options.flags,
        propagation=options.propagation,
        tree_set=options.tree_set,
        tree_cleared=options.tree_cleared,
        data=",".join(options.data),
        copy_up=options.copy_up,
    )


def _check(each: Mount, options: MountOptions, path: str, bind: bool) -> None:
    if not bind and not each.type:
        raise InvalidArgument(f"{path}.type: missing, and no bind option given")
    if bind and options.data:
        raise InvalidArgument(f"{path}.options: unknown option {options.data[0]!r}")
    if bind and not each.source.startswith("/"):
        raise InvalidArgument(f"{path}.source: must be absolute, got {each.source!r}")
    if options.copy_up and (bind or each.type != "tmpfs"):
        raise InvalidArgument(f"{path}.options: tmpcopyup is for tmpfs, not for {each.type!r}")


def _idmap(
    each: Fields, options: tuple[str, ...], spaces: Namespaces
) -> tuple[plan.Mappings, plan.Mappings, bool] | tuple[()]:
    """config.md, "Mounts": without mappings of its own, those of the container are meant."""
    word = _options(options).idmap
    if not word and not each.value.keys() & _MAPPINGS:
        return ()
    uids, gids = mappings(each, "uidMappings"), mappings(each, "gidMappings")
    if bool(uids) != bool(gids):
        lacking = "gidMappings" if uids else "uidMappings"
        raise InvalidArgument(f"{each.path}.{lacking}: missing, and the other mappings are given")
    if not uids and word:
        uids, gids = spaces.uids, spaces.gids
        if not uids:
            raise InvalidArgument(f"{each.path}.uidMappings: missing, and linux has none either")
    return (uids, gids, word == "ridmap") if uids else ()


def _labelled(planned: plan.MountPlan, label: str) -> plan.MountPlan:
    if not label or planned.type in _UNLABELLED:
        return planned
    context = f'context="{label}"'
    return planned._replace(data=f"{planned.data},{context}" if planned.data else context)
