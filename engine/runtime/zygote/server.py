"""The fork server: waits for a connection to hand to a new monitor, forks, forgets it.

Everything a monitor or an init will need is imported before the first fork, and the heap is frozen,
so that the pages stay shared. The zygote keeps nothing of any container: if it dies, the launcher
starts another, and no container notices.
"""

import _socket
import array
import gc
import os
import signal
import sys
from typing import NoReturn

from engine.errors import Unavailable
from engine.runtime import wire
from engine.runtime.cgroups import Layout, detect
from engine.runtime.monitor import main as monitor
from engine.runtime.zygote.prime import open_own_procs, prime
from engine.runtime.zygote.warm import rehearse

READY = b"ready"


def main() -> None:
    """Serve the SOCK_SEQPACKET socket numbered by the last argument until its peer closes."""
    engine = _socket.socket(fileno=int(sys.argv[-1]))
    monitor.write_name("berth-zygote")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # monitors are nobody's to wait for
    os.chdir("/")
    os.umask(0o022)
    layout = detect()
    rehearse(layout)
    procs = open_own_procs(layout)
    gc.collect()
    gc.freeze()
    gc.disable()
    engine.send(READY)
    while (connection := _next_connection(engine)) is not None:
        _fork(engine, connection, layout)
        prime(procs)


def _next_connection(engine: _socket.socket) -> int | None:
    """The descriptor in the next message; None when the engine has closed its end."""
    while True:
        data, rights, _, _ = engine.recvmsg(64, _socket.CMSG_SPACE(4), _socket.MSG_CMSG_CLOEXEC)
        if not data:
            return None
        for _, kind, body in rights:
            if kind == _socket.SCM_RIGHTS:
                return array.array("i", body)[0]


def _fork(engine: _socket.socket, connection: int, layout: Layout) -> None:
    try:
        pid = os.fork()
    except OSError as error:
        _refuse(connection, error)
        return
    if pid == 0:
        _monitor(engine, connection, layout)
    os.close(connection)


def _monitor(engine: _socket.socket, connection: int, layout: Layout) -> NoReturn:
    engine.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    gc.enable()
    monitor.run(connection, layout)


def _refuse(connection: int, error: OSError) -> None:
    message = {"error": Unavailable.__name__, "message": f"cannot fork a monitor: {error}"}
    try:
        os.write(connection, wire.control(message))
    except BrokenPipeError:
        pass  # whoever asked has given up
    finally:
        os.close(connection)
