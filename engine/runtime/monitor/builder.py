"""Creating a container in a process of its own, which ends when init is ready.

Compiled plans, cgroup files and mounts touch most of a forked Python's memory, and touched pages
are no longer shared. The builder takes them with it; init is the monitor's child all the same
(CLONE_PARENT), and what the monitor needs for the container's life arrives as one message.
"""

import _socket
import array
import marshal
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from engine.errors import EngineError, RuntimeFailure
from engine.runtime import signals, slots, syscalls, wire
from engine.runtime.cgroups import Layout
from engine.runtime.init import StepFailed
from engine.runtime.monitor.construct import Ahead, Stdio, construct, prepare

_INLINE = 128 * 1024
_BY_FILE = b"by file"
_STREAMS = b"streams"
_DESCRIPTORS = ("pidfd", "channel", "mounts", "oom", "terminal")

Fork = Callable[[Layout, str, int], _socket.socket]
"""Of a layout, a slot and a descriptor that is to be closed."""


class Built:
    """A container that is ready to start, as its monitor keeps it; -1 is no descriptor.

    `unified` names its cgroup on a v2 hierarchy beside v1 where that is another; else it is empty.
    """

    __slots__ = (
        *_DESCRIPTORS,
        "namespaces",
        "pid",
        "seccomp",
        "seccomp_flags",
        "unified",
        "warnings",
    )

    def __init__(self, facts: tuple[Any, ...], descriptors: dict[str, int]) -> None:
        self.pid: int
        self.warnings: tuple[str, ...]
        self.unified: str
        self.pid, self.warnings, self.unified, *rest = facts
        self.namespaces, self.seccomp, self.seccomp_flags = rest
        self.pidfd = descriptors["pidfd"]
        self.channel = descriptors["channel"]
        self.mounts = descriptors["mounts"]
        self.oom = descriptors.get("oom", -1)
        self.terminal = descriptors.get("terminal", -1)


class Builder:
    """A forked builder that waits for what to build; one that was dismissed leaves nothing.

    Args:
        parent: where it makes a cgroup with an init ahead; empty for neither.
        foreign: a descriptor of the monitor's that the builder is to close.
        fork: makes the process at the other end of what it returns.
    """

    def __init__(
        self, layout: Layout, parent: str = "", foreign: int = -1, *, fork: Fork | None = None
    ) -> None:
        self._layout = layout
        self._waiting = True
        self._cgroup = ""
        self._work = b""
        self._slot = slots.own(parent) if parent else ""
        self._socket = (fork or _fork)(layout, self._slot, foreign)

    def begin(self, request: wire.CreateRequest, plan: bytes) -> None:
        """Have as much of `plan` (the payload of a PLAN frame) done as needs no streams."""
        self._cgroup = request.cgroup
        self._work = marshal.dumps((request.cgroup, request.resources, plan))
        self._tell(self._work, ())

    def finish(self, stdio: Stdio) -> Built:
        """The container that was begun, with these streams.

        Raises:
            EngineError: what the builder was refused. Dead processes may be left to be reaped.

        The builder is left to be reaped as any child: its end takes longer than its message.
        """
        self._waiting = False
        answer = self._ask(stdio)
        if answer is None and self._slot:  # killed while it waited
            slots.remove(self._layout, self._cgroup)
            slots.remove(self._layout, self._slot)
            self._socket = _fork(self._layout, "", -1)
            self._tell(self._work, ())
            answer = self._ask(stdio)
        self._work = b""
        if answer is None:
            slots.remove(self._layout, self._cgroup)
            raise RuntimeFailure("the process that set the container up died")
        if answer[0] != "built":
            raise wire.error(answer[1], answer[2])
        return Built(*answer[1:])

    def _tell(self, data: bytes, fds: tuple[int, ...]) -> None:
        try:  # noqa: SIM105 (no monitor pays for contextlib)
            send(self._socket, data, fds)
        except ConnectionError:
            pass  # it has died, which is seen when it has to answer

    def _ask(self, stdio: Stdio) -> tuple[Any, ...] | None:
        """The builder's message, its descriptors by name; None when it has died."""
        self._tell(_STREAMS, stdio)
        try:
            data, fds = self._hear()
        except ConnectionError:
            return None
        finally:
            self._socket.close()
        if not data:
            return None
        kind, facts, names = marshal.loads(data)
        return (kind, facts, dict(zip(names, fds, strict=True)) if kind == "built" else names)

    def _hear(self) -> tuple[bytes, list[int]]:
        try:
            return receive(self._socket)
        except ConnectionResetError:
            # It ended without reading its streams. That is told once (unix(7)); what it had to say
            # comes now, and then the end of file.
            return receive(self._socket)

    def dismiss(self) -> None:
        """End one that has finished nothing, with what it has made; waits for that."""
        if not self._waiting:
            return
        self._waiting = False
        self._socket.close()
        while True:
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                break
        if self._slot:
            slots.remove(self._layout, self._slot)


def _fork(layout: Layout, slot: str, foreign: int) -> _socket.socket:
    """A new builder at the other end of what is returned. Raises OSError."""
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    monitor_pid = os.getpid()
    try:
        pid = os.fork()
    except OSError:
        ours.close()
        theirs.close()
        raise
    if pid == 0:
        ours.close()
        if foreign >= 0:
            os.close(foreign)
        _live(theirs, monitor_pid, layout, slot)
    theirs.close()
    return ours


def _live(monitor: _socket.socket, monitor_pid: int, layout: Layout, slot: str) -> NoReturn:
    ahead: Ahead | None = None
    try:
        _end_with(monitor_pid)
        ahead = prepare(layout, slot) if slot else None
        data, _ = receive(monitor)
        if data:
            _answer(monitor, marshal.loads(data), layout, ahead)
        elif ahead is not None:
            ahead.discard()
    finally:
        os._exit(0)


def _answer(monitor: _socket.socket, work: Any, layout: Layout, ahead: Ahead | None) -> None:
    def streams() -> Stdio:
        data, fds = receive(monitor)
        if not data:
            raise RuntimeFailure("the container was given up")
        return fds[0], fds[1], fds[2]

    try:
        cgroup, resources, plan = work
        facts, descriptors = construct(cgroup, resources, plan, streams, layout, ahead)
    except (EngineError, OSError, StepFailed) as error:
        kind = type(error) if isinstance(error, EngineError) else RuntimeFailure
        with suppress(ConnectionError):  # nobody waits for it any more
            send(monitor, marshal.dumps(("failed", kind.__name__, str(error))), ())
        return
    names = tuple(name for name, fd in descriptors.items() if fd >= 0)
    fds = tuple(descriptors[name] for name in names)
    send(monitor, marshal.dumps(("built", facts, names)), fds)


def _end_with(monitor_pid: int) -> None:
    """A create that is given up kills the monitor: nobody may go on making its cgroup then."""
    syscalls.set_parent_death_signal(signals.SIGKILL)
    if os.getppid() != monitor_pid:
        os._exit(1)


def send(peer: _socket.socket, data: bytes, fds: tuple[int, ...]) -> None:
    """One message; what is larger than a socket takes goes by a file in memory."""
    file = -1
    if len(data) > _INLINE:
        file = os.memfd_create("plan")
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
        data, fds = _BY_FILE, (*fds, file)
    rights = array.array("i", fds)
    peer.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)] if fds else [])
    if file >= 0:
        os.close(file)


def receive(peer: _socket.socket) -> tuple[bytes, list[int]]:
    """The next message and its descriptors; empty when the peer has gone."""
    data, rights, _, _ = peer.recvmsg(_INLINE, _socket.CMSG_SPACE(64), _socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for _, _, body in rights:
        fds.frombytes(body)
    if data == _BY_FILE:
        with open(fds.pop(), "rb") as file:
            file.seek(0)
            data = file.read()
    return data, list(fds)
