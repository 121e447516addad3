"""The fork server: waits for a connection to hand to a new monitor, forks, forgets it.

Everything a monitor or an init will need is imported before the first fork, and the heap is frozen,
so that the pages stay shared. One monitor is always forked ahead and waits for its container. The
zygote keeps nothing of any container: if it dies, the launcher starts another, and no container
notices; the waiting monitor ends with it.
"""

import _socket
import array
import gc
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

from engine.errors import Unavailable
from engine.runtime import wire
from engine.runtime.cgroups import Layout, detect
from engine.runtime.monitor import main as monitor
from engine.runtime.zygote.prime import open_own_procs, prime
from engine.runtime.zygote.warm import rehearse

READY = b"ready"


class Zygote:
    """The engine's end, the machine's cgroups, and the monitor that waits for work."""

    def __init__(self, engine: _socket.socket, layout: Layout) -> None:
        self._engine = engine
        self._layout = layout
        self._procs = open_own_procs(layout)
        self._spare: _socket.socket | None = None

    def serve(self) -> None:
        """Hand connections out until the engine closes its end."""
        self._spare = self._fork()
        self._engine.send(READY)
        while (connection := _next_connection(self._engine)) is not None:
            self._hand_over(connection)
            prime(self._procs)
            with suppress(OSError):  # tried again, and told, when there is a request
                self._spare = self._fork()

    def _hand_over(self, connection: int) -> None:
        """Give the connection to the waiting monitor, or to a new one when that has died."""
        try:
            for _ in range(2):
                spare, self._spare = self._spare or self._fork(), None
                if _send(spare, connection):
                    return
            _refuse(connection, "the monitors that were forked for it have died")
        except OSError as error:
            _refuse(connection, f"cannot fork a monitor: {error}")
        finally:
            os.close(connection)

    def _fork(self) -> _socket.socket:
        """A monitor that waits at the other end of what is returned. Raises OSError."""
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        if pid == 0:
            ours.close()
            self._wait_as_monitor(theirs)
        theirs.close()
        return ours

    def _wait_as_monitor(self, zygote: _socket.socket) -> NoReturn:
        self._engine.close()
        if self._procs is not None:
            os.close(self._procs)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        monitor.prepare()
        connection = _next_connection(zygote)
        if connection is None:
            os._exit(0)
        zygote.close()
        gc.enable()
        monitor.run(connection, self._layout)


def main() -> None:
    """Serve the SOCK_SEQPACKET socket numbered by the last argument until its peer closes."""
    engine = _socket.socket(fileno=int(sys.argv[-1]))
    monitor.write_name("berth-zygote")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # monitors are nobody's to wait for
    os.chdir("/")
    os.umask(0o022)
    layout = detect()
    rehearse(layout)
    zygote = Zygote(engine, layout)
    gc.collect()
    gc.freeze()
    gc.disable()
    zygote.serve()


def _next_connection(source: _socket.socket) -> int | None:
    """The descriptor in the next message; None when the other side has closed its end."""
    while True:
        data, rights, _, _ = source.recvmsg(64, _socket.CMSG_SPACE(4), _socket.MSG_CMSG_CLOEXEC)
        if not data:
            return None
        for _, kind, body in rights:
            if kind == _socket.SCM_RIGHTS:
                return array.array("i", body)[0]


def _send(spare: _socket.socket, connection: int) -> bool:
    """Whether the waiting monitor was there to take it; `spare` is closed either way."""
    rights = array.array("i", [connection])
    try:
        spare.sendmsg([b"serve"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
    except (BrokenPipeError, ConnectionResetError):
        return False
    finally:
        spare.close()
    return True


def _refuse(connection: int, text: str) -> None:
    message = {"id": 0, "error": Unavailable.__name__, "message": text}
    with suppress(BrokenPipeError):  # whoever asked has given up
        os.write(connection, wire.control(message))
