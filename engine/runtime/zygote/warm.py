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

# Of CPython's small-object allocator (Objects/obmalloc.c): size classes, pools, a pool's header.
_SMALLEST, _LARGEST, _STEP = 48, 512, 16
_POOL, _POOL_HEADER = 16 * 1024, 48
_BYTES_OVERHEAD = 33
_MOST = 2000  # of a size; elsewhere than in CPython 3.11 to 3.13 there may be no such place

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


def fill_holes() -> list[bytes]:
    """Objects in every gap that start-up has left between others, to be kept for ever.

    What a monitor allocates then lies close together in pages of its own, instead of in as many
    shared pages as there are gaps, of each of which it would get a copy.
    """
    filling: list[bytes] = []
    for size in range(_SMALLEST, _LARGEST + 1, _STEP):
        for _ in range(_MOST):
            filling.append(bytes(size - _BYTES_OVERHEAD))
            if id(filling[-1]) % _POOL == _POOL_HEADER:
                break  # the first piece of a new pool: the others are full
    return filling


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
    container.close()


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
