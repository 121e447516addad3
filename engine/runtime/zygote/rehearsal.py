"""Whole lives of a container that does not exist, played in the zygote before the first fork.

The interpreter specialises code, fills its cache of attributes and counts names up by writing into
pages all over the heap. What has been done once here is not done, and so not copied, by any
monitor. The part of the builder, of init and of the engine is taken by a process of its own.
"""

import _socket
import gc
import marshal
import os
from typing import NoReturn

from engine.errors import EngineError
from engine.runtime import bundle, signals, wire
from engine.runtime.cgroups import Layout
from engine.runtime.init import Channel
from engine.runtime.init.channel import pair
from engine.runtime.monitor import builder, main

_PLACES = ("/dev/shm", "/run", "/tmp")
"""Where a directory of its own is made for a moment."""

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
            _close(fd)


def _make_directory() -> str | None:
    for place in _PLACES:
        path = f"{place}/berth-rehearsal-{os.getpid()}"
        try:
            os.mkdir(path, 0o700)
        except OSError:
            continue
        return path
    return None


def _remove(directory: str) -> None:
    for name in os.listdir(directory):
        bundle.unlink(f"{directory}/{name}")
    os.rmdir(directory)  # noqa: PTH106 (no monitor pays for pathlib)


def _descriptors() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd")}


def _close(fd: int) -> None:
    try:  # noqa: SIM105 (no monitor pays for contextlib)
        os.close(fd)
    except OSError:
        pass  # the one that listed the directory


def _live(layout: Layout, directory: str) -> None:
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)

    def fork(_layout: Layout, _slot: str, _foreign: int) -> _socket.socket:
        here, there = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            here.close()
            ours.close()
            _act(there, theirs, directory)
        there.close()
        return here

    signals.signal(signals.SIGCHLD, signals.SIG_DFL)
    played = builder.Builder(layout, fork=fork)
    theirs.close()
    main.serve(ours.detach(), layout, played)
    bundle.unlink(f"{directory}/{bundle.SOCKET}")


def _act(monitor: _socket.socket, engine: _socket.socket, directory: str) -> NoReturn:
    try:
        engine.send(wire.plan(("plan",)) + _request(directory))
        _build(monitor, engine)
    finally:
        os._exit(0)


def _request(directory: str) -> bytes:
    request = wire.CreateRequest(
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
    return wire.control({"verb": "create", "id": 0, "request": request.to_wire()})


def _build(monitor: _socket.socket, engine: _socket.socket) -> None:
    """Be the builder, then init, whose end is the end of all."""
    builder.receive(monitor)
    _, (_, out, _) = builder.receive(monitor)
    theirs, mine = pair()
    facts = (os.getpid(), (), "", 0, b"", 0)
    fds = (os.pidfd_open(os.getpid()), theirs, os.open("/proc/self/ns/mnt", os.O_RDONLY))
    names = ("pidfd", "channel", "mounts")
    builder.send(monitor, marshal.dumps(("built", facts, names)), fds)
    os.close(theirs)
    engine.recv(_ANSWER)
    engine.send(wire.control({"verb": "hello", "id": 1}))
    engine.recv(_ANSWER)
    engine.send(wire.control({"verb": "start", "id": 2}))
    channel = Channel(mine)
    channel.receive()
    channel.close()
    engine.recv(_ANSWER)
    os.write(out, b"a line\n")
