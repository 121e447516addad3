"""What a builder does: the cgroup, the limits and the init of one container.

As much as can be known without the container is made ahead. On cgroup v1 that includes moving init
into a cgroup, which waits for an RCU grace period (5 to 15 ms) when nothing was moved for a while.
On v2 init is born in its cgroup, which costs nothing: there nothing is made ahead.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from engine.errors import EngineError
from engine.runtime import bundle, kit, pages, signals, slots, syscalls, wire
from engine.runtime.cgroups import Layout, Manager, Resources, owned
from engine.runtime.init import Child, ahead, spawn
from engine.runtime.monitor.handover import Rights
from engine.runtime.plan import InitPlan

Stdio = tuple[int, int, int]


class Built:
    """A container that is ready to start, or `released`; -1 is no descriptor.

    `unified` names its cgroup on a v2 hierarchy beside v1 where that is another; else it is empty.
    """

    __slots__ = (
        "channel",
        "mounts",
        "namespaces",
        "oom",
        "pid",
        "pidfd",
        "released",
        "seccomp",
        "seccomp_flags",
        "terminal",
        "unified",
        "warnings",
    )

    def __init__(self, pid: int, plan: InitPlan, warnings: tuple[str, ...]) -> None:
        self.pid = pid
        self.warnings = warnings
        self.unified = ""
        self.namespaces: int = plan.namespaces
        self.seccomp: bytes = plan.process.seccomp
        self.seccomp_flags: int = plan.process.seccomp_flags
        self.pidfd = self.channel = self.mounts = self.oom = self.terminal = -1
        self.released = False  # whether it executes its program without being told

    def facts(self, rights: Rights) -> tuple[Any, ...]:
        """The same, for another process."""
        values = (self.pid, self.warnings, self.unified, self.namespaces)
        descriptors = (self.pidfd, self.channel, self.mounts, self.oom, self.terminal)
        return (*values, self.seccomp, self.seccomp_flags, *map(rights.add, descriptors))

    @classmethod
    def restore(cls, facts: tuple[Any, ...], fds: Sequence[int]) -> "Built":
        built = cls.__new__(cls)
        built.pid, built.warnings, built.unified, built.namespaces, *rest = facts
        built.seccomp, built.seccomp_flags, *indices = rest
        built.released = False
        taken = [fds[index] if index >= 0 else -1 for index in indices]
        built.pidfd, built.channel, built.mounts, built.oom, built.terminal = taken
        return built


class Build:
    """What a builder does beside: while others are waited for, it costs nothing.

    Args:
        streams: makes the program's ends of its streams.
        meanwhile: what else there is to do before the container is ready.
        start: whether the program is to be executed as soon as everything is ready.
    """

    __slots__ = ("meanwhile", "start", "streams")

    def __init__(
        self, streams: Callable[[], Stdio], meanwhile: Callable[[], None], *, start: bool = False
    ) -> None:
        self.streams = streams
        self.meanwhile = meanwhile
        self.start = start

    def releases(self, plan: InitPlan) -> bool:
        """Whether init need not be told to start: nothing of others comes before its exec."""
        own_pids = bool(plan.unshare & syscalls.CLONE_NEWPID)
        return self.start and own_pids and not plan.special


class Ahead:
    """An init without a plan, in a cgroup without limits."""

    def __init__(self, manager: Manager, child: Child, staged: bytes) -> None:
        self.manager = manager
        self.child = child
        self.slot = manager.path
        self.staged = staged
        self.wanted = b""

    def assign(self, plan: InitPlan, payload: bytes, cgroup: str) -> bool:
        """Have init go on as this container's; False when it does not suit, or was killed."""
        beside = slots.parent_of(cgroup) == slots.parent_of(self.slot)
        if not beside or not ahead.suits(plan, payload):
            return False
        wanted = kit.of(plan)
        self.wanted = b"" if wanted is None else wanted.to_bytes()
        staged = bool(self.wanted) and self.wanted == self.staged
        try:
            ahead.assign(self.child, payload, staged=staged)
        except ConnectionError:
            return False
        return True

    def teach(self, built: "Built") -> None:
        """Have the next one ready as this one was needed; by its init, until it is the program."""
        if self.wanted and self.wanted != self.staged:
            kit.LAST.put(self.wanted)
        if not built.released and not pages.INIT.is_known:
            with suppress(OSError):  # it was killed, or /proc says nothing: the next is as good
                pages.INIT.learn(built.pid)

    def discard(self) -> None:
        _undo(self.manager, self.child)


def prepare(layout: Layout, slot: str) -> Ahead | None:
    """Make what can be made without a plan; None where that gains nothing or is refused."""
    if layout.mode not in ("v1", "hybrid"):
        return None
    manager, child, staged = Manager(layout, slot), None, kit.LAST.get()
    try:
        manager.create()
        child = ahead.spawn_ahead()
        manager.attach(child.pid)
        ahead.stage(child, staged)
    except (EngineError, OSError):
        _undo(manager, child)  # whoever asks for a container is told why it cannot be made
        return None
    return Ahead(manager, child, staged)


class Construction:
    """A container in the making: an init that was made ahead is at work from here on.

    Args:
        payload: the plan, as a PLAN frame has it.
        made: what was made ahead; used or discarded.
    """

    def __init__(
        self, layout: Layout, request: wire.CreateRequest, payload: bytes, made: Ahead | None
    ) -> None:
        self._layout = layout
        self._request = request
        self._plan = InitPlan.from_wire(wire.parse_plan(payload))
        if made is not None and not made.assign(self._plan, payload, request.cgroup):
            made.discard()
            made = None
        self._made = made

    def run(self, build: Build) -> Built:
        """The container, ready to start or, where that was asked for, on its way.

        Raises EngineError, OSError or StepFailed, or what `build` raises; then nothing is left but
        dead processes.
        """
        made, self._made = self._made, None
        request = self._request
        if made is not None:
            return _finish_ahead(made, request.cgroup, request.resources, self._plan, build)
        manager = owned(Manager(self._layout, request.cgroup))
        return _construct_afresh(manager, request.resources, self._plan, build)

    def discard(self) -> None:
        """Give up before `run`."""
        if self._made is not None:
            self._made.discard()


def _finish_ahead(
    made: Ahead, cgroup: str, resources: dict[str, Any], plan: InitPlan, build: Build
) -> Built:
    try:
        made.manager.rename(cgroup)
        made.child.attached(build.streams())  # limits hold from the exec on: it need not wait
        warnings = made.manager.apply(Resources.from_oci(resources))
        release = build.releases(plan) and pages.INIT.is_known  # the first one is looked at
        built = _finish(plan, made.manager, made.child, build, release=release)
    except BaseException:
        made.discard()
        raise
    built.unified = made.slot
    built.warnings = (*warnings, *built.warnings)
    made.teach(built)
    return built


def _construct_afresh(
    manager: Manager, resources: dict[str, Any], plan: InitPlan, build: Build
) -> Built:
    manager.create()
    child: Child | None = None
    try:
        warnings = manager.apply(Resources.from_oci(resources))
        child = _spawn(plan, build.streams(), manager)
        child.attached()
        built = _finish(plan, manager, child, build, release=build.releases(plan))
    except BaseException:
        _undo(manager, child)
        raise
    built.warnings = (*warnings, *built.warnings)
    return built


def _finish(
    plan: InitPlan, manager: Manager, child: Child, build: Build, *, release: bool
) -> Built:
    build.meanwhile()
    oom = _descriptor(manager.oom_fd())
    if release:  # last: the program must find all that it needs
        child.release()
    child.wait_ready()
    built = Built(child.pid, plan, child.warnings)
    built.oom, built.released = oom, release
    built.pidfd = child.pidfd
    built.channel = os.dup(child.fileno())  # the channel closes its own when it goes
    with suppress(OSError):  # it may have ended by now
        built.mounts = os.open(f"/proc/{child.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    built.terminal = _descriptor(child.terminal)
    return built


def _descriptor(fd: int | None) -> int:
    return -1 if fd is None else fd


def _spawn(plan: InitPlan, stdio: Stdio, manager: Manager) -> Child:
    """On cgroup v2 init is born in its cgroup; v1 knows only moving it there afterwards."""
    if manager.layout.mode != "v2" or manager.unified is None:
        child = spawn(plan, stdio, sibling=True)
        manager.attach(child.pid)
        return child
    fd = bundle.open_directory(manager.unified)
    try:
        child = spawn(plan, stdio, cgroup_fd=fd, sibling=True)
    finally:
        os.close(fd)
    manager.entered()
    return child


def _undo(manager: Manager, child: Child | None) -> None:
    """Kill init, which is not ours to reap, and remove the cgroup that it is leaving."""
    if child is not None:
        signals.pidfd_send_signal(child.pidfd, signals.SIGKILL)
    manager.remove()
