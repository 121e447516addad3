"""The process that makes a container and answers for it until it is started.

Compiled plans, cgroup files, mounts and requests touch most of a forked Python's memory, and
touched pages are no longer shared. The builder takes them with it: init is the monitor's child
(CLONE_PARENT), and once it runs the monitor gets all there is to know in one message, `handover`.
Until then the monitor sleeps; it ends when its builder does, and takes init along.
"""

import _socket
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from engine.errors import EngineError, RuntimeFailure
from engine.runtime import bundle, pages, signals, slots, syscalls, wire
from engine.runtime.cgroups import Layout
from engine.runtime.init import StepFailed
from engine.runtime.monitor import handover
from engine.runtime.monitor.construct import Ahead, Construction, prepare
from engine.runtime.monitor.container import Container
from engine.runtime.monitor.loop import READ, Loop
from engine.runtime.monitor.server import Server
from engine.runtime.state import start_time

_FRAMES = 64 * 1024
_REST = 0.05
"""Seconds before it ends, which takes a processor from a container's first moments."""

_FREE = 3
"""The first descriptor behind the standard ones."""

Request = tuple[wire.CreateRequest, bytes, Any, bytes]
"""What to create, the payload of its PLAN frame, the request's number, and what came after it."""


def fork(
    zygote: _socket.socket, layout: Layout, parent: str, live: "Live | None" = None
) -> tuple[_socket.socket, int]:
    """A builder for the calling monitor: where its message will come from, and its pid.

    Args:
        zygote: from which it takes the engine's connection.
        parent: where it makes a cgroup with an init ahead; empty for neither.

    Raises OSError.
    """
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
        (live or _live)(zygote, theirs, monitor_pid, layout, parent)
    theirs.close()
    return ours, pid


Live = Callable[[_socket.socket, _socket.socket, int, Layout, str], NoReturn]


def _live(
    zygote: _socket.socket, monitor: _socket.socket, monitor_pid: int, layout: Layout, parent: str
) -> NoReturn:
    try:
        _end_with(monitor_pid)
        ahead = prepare(layout, _slot(parent, monitor_pid)) if parent else None
        if parent:
            pages.BUILDER.take()  # only now: another fork would share them again
        _, fds = handover.receive(zygote)
        zygote.close()
        if fds:
            _serve(fds[0], monitor, monitor_pid, layout, ahead)
        elif ahead is not None:
            ahead.discard()
    except Exception:  # noqa: BLE001 (the last chance to say why, in monitor.log)
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(0)


def _end_with(monitor_pid: int) -> None:
    """A create that is given up kills the monitor: nobody may go on making its cgroup then."""
    syscalls.set_parent_death_signal(signals.SIGKILL)
    if os.getppid() != monitor_pid:
        os._exit(1)


def _slot(parent: str, monitor_pid: int) -> str:
    return slots.path(parent, monitor_pid, start_time(monitor_pid) or 0)


def _serve(
    connection: int, monitor: _socket.socket, monitor_pid: int, layout: Layout, ahead: Ahead | None
) -> None:
    received = _read_request(connection)
    if received is None:  # the engine went away, or gave up, before it said what to create
        if ahead is not None:
            ahead.discard()
        return
    loop = Loop()
    server = Server(loop)
    container = _create(loop, layout, server, connection, received, ahead, monitor_pid)
    if container is not None:
        deliver(loop, server, container, monitor)
        _let_go(monitor.fileno())
        if ahead is not None and not pages.BUILDER.is_known:
            pages.BUILDER.learn(os.getpid())
        time.sleep(_REST)


def _let_go(monitor: int) -> None:
    """Close all but that: a pipe or connection held here, too, would end late for its reader."""
    os.dup2(monitor, _FREE, inheritable=False)
    syscalls.close_range(_FREE + 1)


def _create(
    loop: Loop,
    layout: Layout,
    server: Server,
    connection: int,
    received: Request,
    ahead: Ahead | None,
    monitor_pid: int,
) -> Container | None:
    """A container that is ready, as its engine is told; None when it was refused."""
    request, plan, number, rest = received
    construction = Construction(layout, request, plan, ahead)
    try:
        _log_to(f"{request.bundle}/{bundle.MONITOR_LOG}")
        container = Container(
            loop, layout, request, announce=server.announce, monitor_pid=monitor_pid
        )
        container.create(construction.run, meanwhile=lambda: server.listen(request.bundle))
    except (EngineError, OSError, StepFailed) as error:
        construction.discard()  # first: whoever is told may remove what it finds
        with suppress(OSError):
            os.write(connection, wire.control(_failure(number, error)))
        return None
    server.serve(container)
    client = server.adopt(connection)
    client.subscribed = True
    client.queue({"id": number, "ok": server.describe()})
    server.on_start = loop.stop
    if not container.own_pids:  # orphans come to the monitor, which has to be awake for them
        loop.stop()
    client.take(rest)  # the start, most often, which answers for both
    client.flush()
    return container


def deliver(loop: Loop, server: Server, container: Container, monitor: _socket.socket) -> None:
    """Answer for the container until it is started or dead; then it is the monitor's."""
    loop.add(container.pidfd, READ, lambda _events: loop.stop())
    loop.run()
    rights = handover.Rights()
    watched = server.descriptors(rights) + container.descriptors(rights)
    facts = (server.facts(rights), container.facts(rights), rights.add(2))
    asleep = container.own_pids and not server.busy and not container.stdio.busy
    data = handover.pack(facts, asleep=asleep, watched=watched, init=container.state.pid)
    handover.send(monitor, data, tuple(rights.fds))


def _failure(number: Any, error: Exception) -> dict[str, Any]:
    kind = type(error) if isinstance(error, EngineError) else RuntimeFailure
    return {"id": number, "error": kind.__name__, "message": str(error)}


def _read_request(connection: int) -> Request | None:
    """The plan, then the `create` request; None at the end of file."""
    decoder = wire.Decoder()
    plan: bytes | None = None
    while data := os.read(connection, _FRAMES):
        for kind, payload in decoder.feed(data):
            if kind == wire.PLAN:
                plan = payload
            elif kind == wire.CONTROL and plan is not None:
                message = wire.parse_control(payload)
                request = wire.CreateRequest.from_wire(message["request"])
                return request, plan, message["id"], decoder.rest
    return None


def _log_to(path: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(fd, 2)
    os.close(fd)
