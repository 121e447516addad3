"""Whole lives of a container that does not exist, played in the zygote before the first fork.

The interpreter specialises code, fills its cache of attributes and counts names up by writing into
pages all over the heap. What has been done once here is not done, and so not copied, by any
monitor. The part of the builder, of init and of the engine is taken by a process of its own.
"""

import _socket
import gc
import os
import stat
import time
from typing import NoReturn

from engine.errors import EngineError
from engine.runtime import bundle, signals, syscalls, wire
from engine.runtime.cgroups import Layout
from engine.runtime.init import Channel
from engine.runtime.init.channel import pair
from engine.runtime.monitor import builder, main
from engine.runtime.monitor.construct import Build, Built
from engine.runtime.monitor.container import Container
from engine.runtime.monitor.loop import Loop
from engine.runtime.monitor.server import Server

Socket = _socket.socket

_PLACES = ("/dev/shm", "/run", "/tmp")
"""Where a directory of its own is made for a moment."""

_PREFIX = "berth-rehearsal-"
_STALE = 60.0
"""Seconds after which a directory that nobody writes to is what a killed zygote has left."""

_LOG, _EXIT = "log", "exit.json"
_ANSWER = 4096


def play(layout: Layout, rounds: int) -> None:
    """As often as `rounds` says; does nothing on a machine that has no place for its files."""
    directory = _make_directory()
    if directory is None:
        return
    before = _descriptors()
    standard_error = os.dup(2)
    try:
        for _ in range(rounds):
            _live(layout, directory)
    except (EngineError, OSError):
        pass  # only the memory of monitors depends on it
    finally:
        signals.set_wakeup_fd(-1)
        signals.signal(signals.SIGCHLD, signals.SIG_IGN)
        os.dup2(standard_error, 2, inheritable=True)
        _remove(directory)
        gc.collect()  # sockets close themselves, and only then what nobody owns is closed
        for fd in _descriptors() - before:
            os.close(fd)


def _make_directory() -> str | None:
    for place in _PLACES:
        path = f"{place}/{_PREFIX}{os.getpid()}"
        try:
            _sweep(place)
            os.mkdir(path, 0o700)
        except OSError:
            continue
        return path
    return None


def _sweep(place: str) -> None:
    for name in os.listdir(place):
        path = f"{place}/{name}"
        if name.startswith(_PREFIX) and _is_stale(path):
            _remove(path)


def _is_stale(path: str) -> bool:
    """Only of a directory of this user's own: anybody may put names and links there."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return own and status.st_mtime < time.time() - _STALE


def _remove(directory: str) -> None:
    try:
        for name in os.listdir(directory):
            bundle.unlink(f"{directory}/{name}")
        os.rmdir(directory)  # noqa: PTH106 (no monitor pays for pathlib)
    except OSError:
        pass  # somebody else was quicker, or has put something there


def _descriptors() -> set[int]:
    """What is open, but for what the directory is read by."""
    names = os.listdir("/proc/self/fd")
    return {int(name) for name in names if os.path.exists(f"/proc/self/fd/{name}")}


def _live(layout: Layout, directory: str) -> None:
    def live(_zygote: Socket, monitor: Socket, pid: int, layout: Layout, _parent: str) -> NoReturn:
        _act(monitor, pid, layout, directory)

    signals.signal(signals.SIGCHLD, signals.SIG_DFL)
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    source, pid = builder.fork(theirs, layout, "", live)
    ours.close()
    main.serve(source, pid, layout, theirs)
    bundle.unlink(f"{directory}/{bundle.SOCKET}")


def _act(monitor: Socket, monitor_pid: int, layout: Layout, directory: str) -> NoReturn:
    """Be a builder whose container is made of next to nothing."""
    try:
        engine, connection = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        loop = Loop()
        server = Server(loop)
        container = Container(
            loop, layout, _request(directory), announce=server.announce, monitor_pid=monitor_pid
        )
        container.create(
            lambda build: _build(build, engine), meanwhile=lambda: server.listen(directory)
        )
        engine.close()
        server.serve(container)
        server.adopt(connection.detach()).subscribed = True
        server.on_start = loop.stop
        builder.deliver(loop, server, container, monitor)
    finally:
        os._exit(0)


def _request(directory: str) -> wire.CreateRequest:
    return wire.CreateRequest(
        id="rehearsal",
        bundle=directory,
        log_path=f"{directory}/{_LOG}",
        exit_path=f"{directory}/{_EXIT}",
        log_max_bytes=1 << 20,
        log_max_files=2,
        open_stdin=False,
        stdin_once=False,
        terminal=False,
        cgroup=directory.rpartition("/")[2],  # which nobody makes
        resources={},
    )


def _build(build: Build, engine: Socket) -> Built:
    """A container whose only process is also the engine that watches it."""
    _, out, _ = build.streams()
    build.meanwhile()
    theirs, mine = pair()
    pid, pidfd = syscalls.clone3(syscalls.CLONE_PARENT)
    if pid == 0:
        _be_init(engine, Channel(mine), out)
    os.close(mine)
    mounts = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    facts = (pid, (), "", syscalls.CLONE_NEWPID, b"", 0, 0, 1, 2, -1, -1)
    return Built.restore(facts, (pidfd, theirs, mounts))


def _be_init(engine: Socket, channel: Channel, out: int) -> NoReturn:
    try:
        for fd in _descriptors() - {0, 1, 2, engine.fileno(), channel.fd, out}:
            os.close(fd)
        engine.send(wire.control({"verb": "start", "id": 1}))
        channel.receive()
        channel.close()
        engine.recv(_ANSWER)
        engine.send(wire.control({"verb": "hello", "id": 2}))
        engine.recv(_ANSWER)
        os.write(out, b"a line\n")
    finally:
        os._exit(0)
