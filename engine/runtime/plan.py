"""The compiled form of a container's config.json: plain numbers, strings and tuples.

The engine compiles; zygote, monitor and init only execute. Nothing here needs I/O, so a plan can
be checked before anything of the container exists.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from .mount import Mount
from .syscalls import CLONE_NEWCGROUP, CLONE_NEWUSER

_Wire = tuple[Any, ...]
Mappings = tuple[tuple[int, int, int], ...]
"""Ids of a user namespace: inside, outside, count."""


class MountPlan(NamedTuple):
    """One mount, its words already turned into mount(2) flags."""

    type: str  # "bind" for every bind mount
    source: str
    target: str  # absolute inside the container; "" is the root itself
    flags: int
    propagation: int
    tree_set: int
    tree_cleared: int
    data: str
    copy_up: bool = False  # a fresh mount starts with what the image has at its target
    idmap: tuple[Mappings, Mappings, bool] | tuple[()] = ()  # uids, gids, whole tree


class DevicePlan(NamedTuple):
    """One device node; `mode` holds the type and the permission bits."""

    path: str
    mode: int
    major: int
    minor: int
    uid: int
    gid: int


class CgroupMount(NamedTuple):
    """One cgroup hierarchy of the host, for the container's view of its own cgroup."""

    mount_point: str
    root: str  # the cgroup shown at the mount point
    version: int
    option: str  # v1: the controllers, or name=…


class Capabilities(NamedTuple):
    """The five capability sets as bit masks."""

    bounding: int
    effective: int
    permitted: int
    inheritable: int
    ambient: int


class Listener(NamedTuple):
    """Who answers for system calls that the policy leaves to it, and what it is told."""

    path: str  # of a unix stream socket
    metadata: str
    container_id: str
    bundle: str
    annotations: tuple[tuple[str, str], ...]


class ProcessExtras(NamedTuple):
    """What few processes ask for; code for it is loaded only then (`init.extras`)."""

    personality: int = -1  # of personality(2); -1 leaves it alone, here and below
    io_priority: int = -1  # of ioprio_set(2)
    scheduler: bytes = b""  # struct sched_attr
    cpus_before: tuple[int, ...] = ()  # of an exec session on its way into the cgroup
    cpus: tuple[int, ...] = ()  # and from there on
    apparmor: str = ""
    selinux: str = ""
    listener: Listener | tuple[()] = ()

    @classmethod
    def from_wire(cls, wire: _Wire) -> "ProcessExtras":
        """The same out of tuples only."""
        extras = cls._make(wire)
        listener = Listener._make(extras.listener) if extras.listener else ()
        return extras._replace(listener=listener)


class ExecPlan(NamedTuple):
    """One process to execute in a container, be it the first or an exec session's."""

    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    umask: int
    terminal: bool
    rows: int  # 0 when no size is known yet
    columns: int
    no_new_privileges: bool
    capabilities: Capabilities
    rlimits: tuple[tuple[int, int, int], ...]  # resource, soft, hard; -1 is unlimited
    oom_score_adj: int | None
    seccomp: bytes  # BPF program; empty when unconfined
    seccomp_flags: int
    extras: ProcessExtras | tuple[()] = ()

    def to_wire(self) -> _Wire:
        """Only tuples and primitives, for marshal."""
        packed: dict[str, Any] = {"capabilities": tuple(self.capabilities)}
        if self.extras:
            listener = tuple(self.extras.listener)
            packed["extras"] = tuple(self.extras._replace(listener=listener))  # type: ignore[arg-type]
        return tuple(self._replace(**packed))

    @classmethod
    def from_wire(cls, wire: _Wire) -> "ExecPlan":
        """The plan that `to_wire` described."""
        plan = cls._make(wire)
        extras = ProcessExtras.from_wire(plan.extras) if plan.extras else ()
        return plan._replace(capabilities=Capabilities._make(plan.capabilities), extras=extras)

    def with_seccomp(self, program: bytes, flags: int) -> "ExecPlan":
        """The same process under the filter of the container it joins."""
        return self._replace(seccomp=program, seccomp_flags=flags)


class CgroupView(NamedTuple):
    """What a cgroup mount of the container is made of."""

    mounts: tuple[CgroupMount, ...]
    links: tuple[tuple[str, str], ...]
    own_namespace: bool


class ContainerExtras(NamedTuple):
    """What few containers ask for, and what it needs to know."""

    container_id: str
    bundle: str
    annotations: dict[str, str]
    time_offsets: tuple[tuple[str, int, int], ...]  # clock, seconds, nanoseconds
    hooks: dict[str, list[dict[str, Any]]]  # the kinds that are part of create and start
    resctrl: tuple[str, str, bool] | tuple[()] = ()  # group, schemata, whether it was named
    no_pivot: bool = False  # the host's root is a ramdisk, which pivot_root(2) refuses to leave
    keyring: bool = True  # whether it gets a session keyring of its own

    def hooks_of(self, *kinds: str) -> list[dict[str, Any]]:
        """The hooks of these kinds, in this order."""
        return [hook for kind in kinds for hook in self.hooks.get(kind, ())]


class InitPlan(NamedTuple):
    """Everything the first process of a container has to set up before it executes."""

    process: ExecPlan
    unshare: int  # CLONE_NEW* flags of the namespaces to make
    join: tuple[tuple[int, str], ...]  # CLONE_NEW* flag, path of the namespace
    uid_mappings: Mappings
    gid_mappings: Mappings
    hostname: str
    domainname: str
    sysctl: tuple[tuple[str, str], ...]  # path below /proc/sys, value
    root: str  # absolute host path: the root itself, or where rootfs_mounts go
    rootfs_mounts: tuple[MountPlan, ...]
    root_propagation: int
    root_readonly: bool
    mounts: tuple[MountPlan, ...]
    cgroup_mounts: tuple[CgroupMount, ...]
    cgroup_links: tuple[tuple[str, str], ...]  # name, target; both below /sys/fs/cgroup
    devices: tuple[DevicePlan, ...]
    masked_paths: tuple[str, ...]
    readonly_paths: tuple[str, ...]
    extras: ContainerExtras | tuple[()] = ()

    @property
    def special(self) -> bool:
        """Whether it needs what is loaded, or done by the process that makes it, only on demand."""
        user = self.unshare & CLONE_NEWUSER
        return bool(self.extras or self.process.extras or user)

    @property
    def namespaces(self) -> int:
        """The CLONE_NEW* flags that tell this container from its host: what an exec joins."""
        result = self.unshare
        for flag, _ in self.join:
            result |= flag
        return result

    @property
    def cgroup_view(self) -> CgroupView:
        """The cgroup hierarchies as this container is to see them."""
        own = bool(self.namespaces & CLONE_NEWCGROUP)
        return CgroupView(self.cgroup_mounts, self.cgroup_links, own)

    def to_wire(self) -> _Wire:
        """Only tuples and primitives, for marshal."""
        packed: dict[str, Any] = {name: tuple(map(tuple, getattr(self, name))) for name in _NESTED}
        packed["process"] = self.process.to_wire()
        packed["extras"] = tuple(self.extras)
        return tuple(self._replace(**packed))

    @classmethod
    def from_wire(cls, wire: _Wire) -> "InitPlan":
        """The plan that `to_wire` described."""
        plan = cls._make(wire)
        made: dict[str, Any] = {
            name: tuple(map(kind._make, getattr(plan, name))) for name, kind in _NESTED.items()
        }
        if plan.extras:
            made["extras"] = ContainerExtras._make(plan.extras)
        return plan._replace(process=ExecPlan.from_wire(plan.process), **made)


_NESTED: dict[str, Any] = {
    "rootfs_mounts": MountPlan,
    "mounts": MountPlan,
    "cgroup_mounts": CgroupMount,
    "devices": DevicePlan,
}


def compile(
    config: dict[str, Any],
    rootfs_mounts: Sequence[Mount],
    *,
    warnings: list[str],
    container_id: str = "",
    bundle: str = "",
) -> InitPlan:
    """Check an OCI runtime config and turn it into a plan.

    `rootfs_mounts` are mounted in order at `root.path`, in the container's mount namespace; with
    none, `root.path` is the root file system. What the host cannot give is appended to `warnings`.
    `container_id` and `bundle` are what hooks and seccomp agents are told.

    Raises:
        InvalidArgument: naming the field, e.g. ``process.cwd: must be absolute, got 'x'``.
        Unsupported: for what the spec has and this host or runtime has not.
    """
    from .compiler import compile_init  # not loaded where plans are only executed

    return compile_init(config, rootfs_mounts, warnings, (container_id, bundle))


def compile_exec(
    process: dict[str, Any],
    *,
    warnings: list[str] | None = None,
    config: dict[str, Any] | None = None,
    container_id: str = "",
    bundle: str = "",
) -> ExecPlan:
    """The plan of an exec session, without seccomp: see `ExecPlan.with_seccomp`.

    From `config`, the container's own, the session takes what holds for all its processes but is
    no part of `process`: the personality and the seccomp listener.

    Raises:
        InvalidArgument: naming the field.
    """
    from .compiler import compile_session

    told = [] if warnings is None else warnings
    return compile_session(process, told, config or {}, (container_id, bundle))
