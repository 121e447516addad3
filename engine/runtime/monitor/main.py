"""How a process forked by the zygote becomes the monitor of one container."""

import os
import sys
import time
from contextlib import suppress
from typing import Any, NoReturn

from engine.errors import EngineError, RuntimeFailure
from engine.runtime import bundle, syscalls, wire
from engine.runtime.cgroups import Layout
from engine.runtime.monitor.builder import Builder
from engine.runtime.monitor.container import Container
from engine.runtime.monitor.loop import Loop
from engine.runtime.monitor.server import Server


def run(connection: int, layout: Layout, builder: Builder) -> NoReturn:
    """Serve the container that `connection` asks for; the process ends with it."""
    status = 1
    try:
        serve(connection, layout, builder)
        status = 0
    except Exception:  # noqa: BLE001 (the last chance to say why, in monitor.log)
        sys.excepthook(*sys.exc_info())
    finally:
        builder.dismiss()
        os._exit(status)


def complain(message: str) -> None:
    """One line in the monitor's own log."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with suppress(OSError):  # no room for it: no reason to give the container up
        os.write(2, f"{stamp} {message}\n".encode(errors="replace"))


def write_name(name: str) -> None:
    """What ps shows; by a file, because a ctypes buffer costs every monitor 100 pages."""
    fd = os.open("/proc/self/comm", os.O_WRONLY | os.O_CLOEXEC)
    os.write(fd, name.encode())
    os.close(fd)


def prepare() -> None:
    """What does not depend on the container: a session of its own, orphans, a name."""
    os.setsid()
    syscalls.set_child_subreaper()
    write_name("berth-monitor")


def serve(connection: int, layout: Layout, builder: Builder) -> None:
    """The same, in the process that calls it: returns at the container's end."""
    received = _read_request(connection)
    if received is None:
        return  # the engine went away, or gave up, before it said what to create
    request, plan, number = received
    builder.begin(request, plan)  # which takes longer than what is done here meanwhile
    del plan, received
    _log_to(f"{request.bundle}/{bundle.MONITOR_LOG}")
    loop = Loop()
    server = Server(loop)
    try:
        container = _create(loop, layout, request, server)
        container.create(builder)
    except (EngineError, OSError) as error:
        builder.dismiss()  # first: whoever is told may remove what it finds
        os.write(connection, wire.control(_failure(number, error)))
        return
    server.serve(container)
    client = server.adopt(connection)
    client.subscribed = True
    client.tell({"id": number, "ok": server.describe()})
    del request
    loop.run()


def _create(loop: Loop, layout: Layout, request: wire.CreateRequest, server: Server) -> Container:
    server.listen(request.bundle)
    container = Container(loop, layout, request, announce=server.announce, complain=complain)
    loop.watch_children(container.reap)
    return container


def _failure(number: Any, error: Exception) -> dict[str, Any]:
    kind = type(error) if isinstance(error, EngineError) else RuntimeFailure
    return {"id": number, "error": kind.__name__, "message": str(error)}


def _read_request(connection: int) -> tuple[wire.CreateRequest, bytes, Any] | None:
    """The first two frames: the plan, then the `create` request; None at the end of file."""
    decoder = wire.Decoder()
    plan: bytes | None = None
    while data := os.read(connection, 64 * 1024):
        for kind, payload in decoder.feed(data):
            if kind == wire.PLAN:
                plan = payload
            elif kind == wire.CONTROL and plan is not None:
                message = wire.parse_control(payload)
                return wire.CreateRequest.from_wire(message["request"]), plan, message["id"]
    return None


def _log_to(path: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(fd, 2)
    os.close(fd)
