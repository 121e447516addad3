"""`run`: create, start, wait, delete; with --detach only the first two."""

import os

from engine.ociruntime import console, destroy
from engine.ociruntime.commands import Call
from engine.ociruntime.launch import launch
from engine.ociruntime.make import Making, Wanted, make
from engine.ociruntime.relay import Pipes, Relay, Terminal
from engine.runtime import syscalls


def run(call: Call) -> int:
    wanted = Wanted(call)
    detached = call.options.flag("detach")
    path = call.options.text("console-socket")
    socket = console.connect(path, terminal=wanted.terminal, detached=detached)
    if detached:
        making = make(wanted, console=socket.send if socket is not None else None)
        _start(making, call)
        return 0
    if not call.options.flag("no-subreaper"):
        syscalls.set_child_subreaper()
    return _in_foreground(wanted, call)


def _in_foreground(wanted: Wanted, call: Call) -> int:
    masters: list[int] = []
    pipes = None if wanted.terminal else Pipes()
    if pipes is None:
        making = make(wanted, console=masters.append)
    else:
        making = make(wanted, pipes.child)
        pipes.release()
    assert making.child is not None
    relay = Relay(making.child.pid, making.child.pidfd)
    if pipes is not None:
        relay.use_pipes(pipes)
    for master in masters:
        relay.use_terminal(Terminal(master))
    _start(making, call)
    code = relay.run()
    if not call.options.flag("keep"):
        destroy.destroy(making.record, call.report)
    return code


def _start(making: Making, call: Call) -> None:
    try:
        launch(making.record, call.report)
    except BaseException:
        destroy.end(making.record)
        assert making.child is not None
        os.waitpid(making.child.pid, 0)
        destroy.destroy(making.record, call.report)
        raise
