"""What a builder does: the cgroup, the limits and the init of one container.

As much as can be known without the container is made ahead. On cgroup v1 that includes moving init
into a cgroup, which waits for an RCU grace period (5 to 15 ms) when nothing was moved for a while.
On v2 init is born in its cgroup, which costs nothing: there nothing is made ahead.
"""

import os
from collections.abc import Callable
from typing import Any

from engine.errors import EngineError
from engine.runtime import bundle, signals, slots, wire
from engine.runtime.cgroups import Layout, Manager, Resources
from engine.runtime.init import Child, ahead, spawn
from engine.runtime.plan import InitPlan

Stdio = tuple[int, int, int]
Streams = Callable[[], Stdio]
"""Waits for the program's ends of its streams, which take as long as the work before them."""

Result = tuple[tuple[Any, ...], dict[str, int]]


class Ahead:
    """An init without a plan, in a cgroup without limits."""

    def __init__(self, manager: Manager, child: Child) -> None:
        self.manager = manager
        self.child = child
        self.slot = manager.path

    def assign(self, plan: InitPlan, payload: bytes, cgroup: str) -> bool:
        """Have init go on as this container's; False when it does not suit, or was killed."""
        beside = slots.parent_of(cgroup) == slots.parent_of(self.slot)
        if not beside or not ahead.suits(plan, payload):
            return False
        try:
            ahead.assign(self.child, payload)
        except ConnectionError:
            return False
        return True

    def discard(self) -> None:
        _undo(self.manager, self.child)


def prepare(layout: Layout, slot: str) -> Ahead | None:
    """Make what can be made without a plan; None where that gains nothing or is refused."""
    if layout.mode not in ("v1", "hybrid"):
        return None
    manager, child = Manager(layout, slot), None
    try:
        manager.create()
        child = ahead.spawn_ahead()
        manager.attach(child.pid)
    except (EngineError, OSError):
        _undo(manager, child)  # whoever asks for a container is told why it cannot be made
        return None
    return Ahead(manager, child)


def construct(
    cgroup: str,
    resources: dict[str, Any],
    payload: bytes,
    streams: Streams,
    layout: Layout,
    made: Ahead | None,
) -> Result:
    """A container that is ready to start: facts and descriptors for `Built`.

    Raises EngineError, OSError or StepFailed, or what `streams` raises; then nothing is left but
    dead processes.
    """
    plan = InitPlan.from_wire(wire.parse_plan(payload))
    if made is not None:
        if made.assign(plan, payload, cgroup):
            return _finish_ahead(made, cgroup, resources, plan, streams)
        made.discard()
    return _construct_afresh(Manager(layout, cgroup), resources, plan, streams)


def _finish_ahead(
    made: Ahead, cgroup: str, resources: dict[str, Any], plan: InitPlan, streams: Streams
) -> Result:
    try:
        made.manager.rename(cgroup)
        warnings = made.manager.apply(Resources.from_oci(resources))
        made.child.attached(streams())
        return _finish(plan, made.manager, made.child, warnings, made.slot)
    except BaseException:
        made.discard()
        raise


def _construct_afresh(
    manager: Manager, resources: dict[str, Any], plan: InitPlan, streams: Streams
) -> Result:
    manager.create()
    child: Child | None = None
    try:
        warnings = manager.apply(Resources.from_oci(resources))
        child = _spawn(plan, streams(), manager)
        child.attached()
        return _finish(plan, manager, child, warnings, "")
    except BaseException:
        _undo(manager, child)
        raise


def _finish(
    plan: InitPlan, manager: Manager, child: Child, warnings: list[str], unified: str
) -> Result:
    child.wait_ready()
    process = plan.process
    told = (*warnings, *child.warnings)
    facts = (child.pid, told, unified, plan.namespaces, process.seccomp, process.seccomp_flags)
    return facts, {
        "pidfd": child.pidfd,
        "channel": os.dup(child.fileno()),  # the channel closes its own when it goes
        "mounts": os.open(f"/proc/{child.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC),
        "oom": _descriptor(manager.oom_fd()),
        "terminal": _descriptor(child.terminal),
    }


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
        return spawn(plan, stdio, cgroup_fd=fd, sibling=True)
    finally:
        os.close(fd)


def _undo(manager: Manager, child: Child | None) -> None:
    """Kill init, which is not ours to reap, and remove the cgroup that it is leaving."""
    if child is not None:
        signals.pidfd_send_signal(child.pidfd, signals.SIGKILL)
    manager.remove()
