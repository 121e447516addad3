"""Creating a container in a process of its own, which ends when init is ready.

Compiled plans, cgroup files and mounts touch most of a forked Python's memory, and touched pages
are no longer shared. The builder takes them with it; init is the monitor's child all the same
(CLONE_PARENT), and what the monitor needs for the container's life arrives as one message.
"""

import _socket
import array
import marshal
import os
import signal
from dataclasses import replace
from typing import Any, NoReturn

from engine.errors import EngineError, RuntimeFailure
from engine.runtime import bundle, syscalls, wire
from engine.runtime.cgroups import Layout, Manager, Resources
from engine.runtime.init import Child, StepFailed, spawn
from engine.runtime.plan import InitPlan

Stdio = tuple[int, int, int]

_LARGEST = 192 * 1024
_DESCRIPTORS = ("pidfd", "channel", "mounts", "oom", "terminal")


class Built:
    """A container that is ready to start, as its monitor keeps it; -1 is no descriptor."""

    __slots__ = (*_DESCRIPTORS, "namespaces", "pid", "seccomp", "seccomp_flags", "warnings")

    def __init__(self, facts: tuple[Any, ...], descriptors: dict[str, int]) -> None:
        self.pid: int
        self.warnings: tuple[str, ...]
        self.pid, self.warnings, self.namespaces, self.seccomp, self.seccomp_flags = facts
        self.pidfd = descriptors["pidfd"]
        self.channel = descriptors["channel"]
        self.mounts = descriptors["mounts"]
        self.oom = descriptors.get("oom", -1)
        self.terminal = descriptors.get("terminal", -1)


def build(request: wire.CreateRequest, plan: bytes, stdio: Stdio, layout: Layout) -> Built:
    """Have the container of `plan` (the payload of a PLAN frame) built.

    Raises:
        EngineError: what the builder was refused. Processes and the cgroup may be left.

    The builder is left to be reaped as any child: its end takes longer than its message.
    """
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    monitor_pid = os.getpid()
    if os.fork() == 0:
        _build(theirs, monitor_pid, request, plan, stdio, layout)
    theirs.close()
    data, rights, _, _ = ours.recvmsg(_LARGEST, _socket.CMSG_SPACE(64), _socket.MSG_CMSG_CLOEXEC)
    ours.close()
    if not data:
        raise RuntimeFailure("the process that set the container up died")
    message = marshal.loads(data)
    if message[0] != "built":
        raise wire.error(message[1], message[2])
    fds = array.array("i")
    for _, _, body in rights:
        fds.frombytes(body)
    return Built(message[1], dict(zip(message[2], fds, strict=True)))


def _build(
    monitor: _socket.socket,
    monitor_pid: int,
    request: wire.CreateRequest,
    plan: bytes,
    stdio: Stdio,
    layout: Layout,
) -> NoReturn:
    try:
        _end_with(monitor_pid)
        _send(monitor, *_construct(request, plan, stdio, layout))
    except (EngineError, OSError, StepFailed) as error:
        kind = type(error) if isinstance(error, EngineError) else RuntimeFailure
        monitor.send(marshal.dumps(("failed", kind.__name__, str(error))))
    finally:
        os._exit(0)


def _end_with(monitor_pid: int) -> None:
    """A create that is given up kills the monitor: nobody may go on making its cgroup then."""
    syscalls.set_parent_death_signal(signal.SIGKILL)
    if os.getppid() != monitor_pid:
        os._exit(1)


def _send(monitor: _socket.socket, facts: tuple[Any, ...], descriptors: dict[str, int]) -> None:
    names = tuple(name for name, fd in descriptors.items() if fd >= 0)
    rights = array.array("i", [descriptors[name] for name in names])
    data = marshal.dumps(("built", facts, names))
    monitor.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])


def _construct(
    request: wire.CreateRequest, payload: bytes, stdio: Stdio, layout: Layout
) -> tuple[tuple[Any, ...], dict[str, int]]:
    plan = InitPlan.from_wire(wire.parse_plan(payload))
    manager = Manager(layout, request.cgroup)
    manager.create()
    warnings = manager.apply(Resources.from_oci(request.resources))
    unified = manager.unified if layout.mode == "v2" else None
    ours = replace(plan, unshare=plan.unshare | syscalls.CLONE_PARENT)
    child = _spawn(ours, stdio, unified)
    if unified is None:
        manager.attach(child.pid)
    child.attached()
    child.wait_ready()
    process = plan.process
    facts = (
        child.pid,
        (*warnings, *child.warnings),
        plan.namespaces,
        process.seccomp,
        process.seccomp_flags,
    )
    return facts, {
        "pidfd": child.pidfd,
        "channel": os.dup(child.fileno()),  # the channel closes its own when it goes
        "mounts": os.open(f"/proc/{child.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC),
        "oom": _descriptor(manager.oom_fd()),
        "terminal": _descriptor(child.terminal),
    }


def _descriptor(fd: int | None) -> int:
    return -1 if fd is None else fd


def _spawn(plan: InitPlan, stdio: Stdio, cgroup: str | None) -> Child:
    """On cgroup v2 init is born in its cgroup; v1 knows only moving it there afterwards."""
    if cgroup is None:
        return spawn(plan, stdio)
    fd = bundle.open_directory(cgroup)
    try:
        return spawn(plan, stdio, cgroup_fd=fd)
    finally:
        os.close(fd)
