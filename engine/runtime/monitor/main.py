"""The monitor of one container: asleep until something happens to it, then awake for good.

It is forked before its container is known, forks the builder that makes it, and gets the container
when it has been started. Most containers then do nothing their monitor has to see to: it waits in
one system call, with what it was given unread, until a request, output or a death wakes it.
"""

import _socket
import gc
import os
import select
import sys
from collections.abc import Sequence
from typing import NoReturn

from engine.runtime import slots, syscalls
from engine.runtime.cgroups import Layout
from engine.runtime.monitor import builder, handover
from engine.runtime.monitor.container import Container
from engine.runtime.monitor.loop import Loop
from engine.runtime.monitor.server import BACKLOG, Server


def run(zygote: _socket.socket, layout: Layout, parent: str) -> NoReturn:
    """Be a monitor for whatever connection comes from `zygote`; ends with its container.

    Args:
        parent: the cgroup in which a container is made ready ahead; empty for none.
    """
    status = 1
    try:
        prepare()
        source, pid = builder.fork(zygote, layout, parent)
        if not serve(source, pid, layout, zygote) and parent:
            slots.remove(layout, slots.own(parent))  # where the builder could not
        status = 0
    except Exception:  # noqa: BLE001 (the last chance to say why, in monitor.log)
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def write_name(name: str) -> None:
    """What ps shows; by a file, because a ctypes buffer costs every monitor 100 pages."""
    fd = os.open("/proc/self/comm", os.O_WRONLY | os.O_CLOEXEC)
    os.write(fd, name.encode())
    os.close(fd)


def prepare() -> None:
    """What does not depend on the container: a session of its own, and a name."""
    os.setsid()
    write_name("berth-monitor")


def serve(
    source: _socket.socket, builder_pid: int, layout: Layout, zygote: _socket.socket | None
) -> bool:
    """Live through the container that the builder hands over; False when there comes none."""
    data, fds = handover.receive(source)
    if not data:
        os.waitpid(builder_pid, 0)
        return False
    if zygote is not None:
        zygote.close()  # held until now, so that the zygote's end finds no monitor left
    listener = _socket.socket(fileno=fds[0])
    listener.listen(BACKLOG)  # again: the name its clients see is that of who did it last
    if handover.asleep(data):
        sleep(source, builder_pid, handover.init(data), fds[: handover.watched(data)])
    source.close()
    gc.enable()
    live(layout, listener, data, fds)
    return True


def sleep(source: _socket.socket, builder_pid: int, init: int, fds: Sequence[int]) -> None:
    """Return when one of `fds` has something; sees the builder off meanwhile."""
    poll = select.poll()
    end = source.fileno()
    for fd in (end, *fds):
        poll.register(fd, select.POLLIN)
    while poll.poll()[0][0] == end:
        os.waitpid(builder_pid, 0)  # it has closed its end, so it is as good as gone
        reap_others(init)
        poll.unregister(end)


def reap_others(init: int) -> None:
    """What was cloned for the container, but for its init, and has ended.

    An init that was made ahead and did not suit, for one, or who helped this one into a namespace.
    """
    dead = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while (found := os.waitid(os.P_ALL, 0, dead)) is not None and found.si_pid != init:
        os.waitpid(found.si_pid, 0)


def live(layout: Layout, listener: _socket.socket, data: bytes, fds: list[int]) -> None:
    """Wake up: build what serves the container, and serve it to its end."""
    server_facts, container_facts, error = handover.unpack(data)
    os.dup2(fds[error], 2, inheritable=False)
    os.close(fds[error])
    loop = Loop()
    server = Server(loop, listener)
    container = Container.restore(loop, layout, container_facts, fds, announce=server.announce)
    if not container.own_pids:
        syscalls.set_child_subreaper()
    server.serve(container)
    loop.watch_children(container.reap)
    container.listen()
    server.restore(server_facts, fds)
    container.reap()  # who died before anybody was told of deaths
    loop.run()
