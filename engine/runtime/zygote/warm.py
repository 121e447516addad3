"""A rehearsal before the first fork, on /dev/null.

The interpreter specialises code and fills its caches by writing into the pages of the objects it
runs. Done once here, those pages stay shared and no monitor has to copy them (about 0.4 MiB each).
"""

import _socket
import os

from engine.runtime import state, wire
from engine.runtime.cgroups import Layout
from engine.runtime.monitor.container import Container
from engine.runtime.monitor.loop import READ, Loop
from engine.runtime.monitor.server import Server

ROUNDS = 20
"""The interpreter specialises a function after eight calls, its instructions after some more."""

_REQUEST = wire.CreateRequest(
    id="rehearsal",
    bundle="/dev/null",
    log_path="/dev/null",
    exit_path="/dev/null",
    log_max_bytes=0,
    log_max_files=1,
    open_stdin=False,
    stdin_once=False,
    terminal=False,
    cgroup="rehearsal",
    resources={},
)


def rehearse(layout: Layout) -> None:
    """Do what every monitor does, as far as it leaves no trace."""
    for _ in range(ROUNDS):
        request = _round_trip()
        _play(layout, request)


def _round_trip() -> wire.CreateRequest:
    message = wire.control({"verb": "create", "id": 0, "request": _REQUEST.to_wire()})
    ((_, payload),) = wire.Decoder().feed(message)
    return wire.CreateRequest.from_wire(wire.parse_control(payload)["request"])


def _play(layout: Layout, request: wire.CreateRequest) -> None:
    loop = Loop()
    server = Server(loop)
    container = Container(loop, layout, request, announce=server.announce, complain=lambda _: None)
    server.serve(container)
    _, out, _ = container.stdio.make_pipes(terminal=False)
    container.stdio.listen()
    os.write(out, b"a line\n")
    state.encode(container.state.to_json())
    _ask(loop, server)
    container.stdio.close()


def _ask(loop: Loop, server: Server) -> None:
    """One request over a real connection, until the peer hangs up."""
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    client = server.adopt(ours.detach())
    theirs.send(wire.control({"verb": "hello", "id": 1}))

    def answered(_events: int) -> None:
        loop.remove(theirs.fileno())
        loop.after(0, loop.stop)

    loop.add(theirs.fileno(), READ, answered)
    loop.run()
    client.close()
    theirs.close()
