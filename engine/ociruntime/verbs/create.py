"""`create`: make a container and leave its init waiting for `start`."""

from engine.ociruntime import console
from engine.ociruntime.commands import Call
from engine.ociruntime.make import Wanted, make


def run(call: Call) -> int:
    wanted = Wanted(call)
    path = call.options.text("console-socket")
    socket = console.connect(path, terminal=wanted.terminal, detached=True)
    make(wanted, console=socket.send if socket is not None else None)
    return 0
