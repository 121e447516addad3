"""The compiled form of a container's config.json: plain numbers, strings and tuples.

The engine compiles; zygote, monitor and init only execute. Nothing here needs I/O, so a plan can
be checked before anything of the container exists.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from .mount import Mount
from .syscalls import CLONE_NEWCGROUP

_Wire = tuple[Any, ...]


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

    def to_wire(self) -> _Wire:
        """Only tuples and primitives, for marshal."""
        packed: dict[str, Any] = {"capabilities": tuple(self.capabilities)}
        return tuple(self._replace(**packed))

    @classmethod
    def from_wire(cls, wire: _Wire) -> "ExecPlan":
        """The plan that `to_wire` described."""
        plan = cls._make(wire)
        return plan._replace(capabilities=Capabilities._make(plan.capabilities))

    def with_seccomp(self, program: bytes, flags: int) -> "ExecPlan":
        """The same process under the filter of the container it joins."""
        return self._replace(seccomp=program, seccomp_flags=flags)


class CgroupView(NamedTuple):
    """What a cgroup mount of the container is made of."""

    mounts: tuple[CgroupMount, ...]
    links: tuple[tuple[str, str], ...]
    own_namespace: bool


class InitPlan(NamedTuple):
    """Everything the first process of a container has to set up before it executes."""

    process: ExecPlan
    unshare: int  # CLONE_NEW* flags of the namespaces to make
    join: tuple[tuple[int, str], ...]  # CLONE_NEW* flag, path of the namespace
    uid_mappings: tuple[tuple[int, int, int], ...]  # inside, outside, count
    gid_mappings: tuple[tuple[int, int, int], ...]
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
        return tuple(self._replace(**packed))

    @classmethod
    def from_wire(cls, wire: _Wire) -> "InitPlan":
        """The plan that `to_wire` described."""
        plan = cls._make(wire)
        made: dict[str, Any] = {
            name: tuple(map(kind._make, getattr(plan, name))) for name, kind in _NESTED.items()
        }
        return plan._replace(process=ExecPlan.from_wire(plan.process), **made)


_NESTED: dict[str, Any] = {
    "rootfs_mounts": MountPlan,
    "mounts": MountPlan,
    "cgroup_mounts": CgroupMount,
    "devices": DevicePlan,
}


def compile(
    config: dict[str, Any], rootfs_mounts: Sequence[Mount], *, warnings: list[str]
) -> InitPlan:
    """Check an OCI runtime config and turn it into a plan.

    `rootfs_mounts` are mounted in order at `root.path`, in the container's mount namespace; with
    none, `root.path` is the root file system. What the host cannot give is appended to `warnings`.

    Raises:
        InvalidArgument: naming the field, e.g. ``process.cwd: must be absolute, got 'x'``.
        Unsupported: for what the spec has and this runtime has not.
    """
    from .compiler import compile_init  # not loaded where plans are only executed

    return compile_init(config, rootfs_mounts, warnings)


def compile_exec(process: dict[str, Any], *, warnings: list[str] | None = None) -> ExecPlan:
    """The plan of an exec session, without seccomp: see `ExecPlan.with_seccomp`.

    Raises:
        InvalidArgument: naming the field.
    """
    from .compiler import compile_process

    return compile_process(process, None, [] if warnings is None else warnings)
