"""The fork server: waits for a connection to hand to a new monitor, forks, forgets it.

Everything a monitor or an init will need is imported before the first fork, and the heap is frozen,
so that the pages stay shared. A few monitors are forked ahead and wait, with most of a container
made, to be given one. The zygote keeps nothing of any container: if it dies, the launcher starts
another, and no container notices; the waiting monitors take apart what they have made, and end.
"""

import _socket
import array
import gc
import os
import select
import sys
import time
from contextlib import suppress
from typing import NoReturn

from engine.errors import Unavailable
from engine.runtime import signals, slots, wire
from engine.runtime.cgroups import Layout, detect
from engine.runtime.monitor import handover
from engine.runtime.monitor import main as monitor
from engine.runtime.zygote.prime import open_own_procs, prime
from engine.runtime.zygote.warm import fill_holes, warm_up

READY = b"ready"

SPARES = 2
SOON, LATER, CALM = 6, 30, 50
"""Milliseconds without a request before a spare is forked: the container that has just been asked
for is up by then, and has had the processors for itself. Where many are asked for at once, spares
would only take the processors from them. After some quiet, the first move between cgroups on v1
holds up whoever removes a cgroup meanwhile: there a container that ends at once is let go first."""
QUIET_S = 0.1
ONE_OF_MANY = b"one of many"  # as `forkserver` says it

END_BOUND = 5.0

LITTER_LOOKS = 100
"""Times the cgroups of a spare that was killed are looked at: what was in them ends a bit later."""


class Zygote:
    """The engine's end, the machine's cgroups, and the monitors that wait for work.

    Args:
        parent: the cgroup in which monitors get a container's cgroup and init ready ahead.
    """

    def __init__(self, engine: _socket.socket, layout: Layout, parent: str) -> None:
        self._engine = engine
        self._layout = layout
        self._parent = parent
        self._procs = open_own_procs(layout)
        self._spares: list[_socket.socket] = []
        self._events = select.poll()
        self._events.register(engine.fileno(), select.POLLIN)
        self._delay = SOON
        self._asked_at = 0.0
        self._litter = 0
        self._is_refused = False

    def serve(self) -> None:
        """Hand connections out until the engine closes its end."""
        self._refill()
        self._engine.send(READY)
        while self._wait_for_request():
            kind, fds = handover.receive(self._engine)
            if not fds:
                break
            self._delay = self._rest(kind)
            self._hand_over(fds[0])
        self._end_spares()

    def _rest(self, kind: bytes) -> int:
        """Milliseconds to leave the processors to whoever has just asked."""
        before, self._asked_at = self._asked_at, time.monotonic()
        if kind == ONE_OF_MANY:
            return LATER
        return SOON if self._asked_at - before < QUIET_S else CALM

    def _wait_for_request(self) -> bool:
        """True when there is one; spares are forked when nobody asks for something.

        One that was killed is noticed: another takes its place, and its cgroups go.
        """
        while True:
            is_busy = self._litter > 0 or (len(self._spares) < SPARES and not self._is_refused)
            ready = [fd for fd, _ in self._events.poll(self._delay if is_busy else None)]
            if self._engine.fileno() in ready:
                self._is_refused = False
                return True
            for fd in ready:
                self._bury(fd)
            if not ready:
                self._tidy()

    def _tidy(self) -> None:
        """What there is time for when nobody asks for something."""
        if self._litter > 0:
            self._litter = 0 if slots.sweep(self._layout, self._parent) else self._litter - 1
        if len(self._spares) < SPARES:
            self._is_refused = not self._refill()

    def _refill(self) -> bool:
        """False when there can be none: it is tried again, and told, when there is a request."""
        try:
            spare = self._fork(self._parent)
        except OSError:
            return False
        self._spares.append(spare)
        self._events.register(spare.fileno(), 0)  # its end is told in any case
        return True

    def _take(self) -> _socket.socket:
        spare = self._spares.pop(0)
        self._events.unregister(spare.fileno())
        return spare

    def _bury(self, fd: int) -> None:
        self._events.unregister(fd)
        for spare in [spare for spare in self._spares if spare.fileno() == fd]:
            self._spares.remove(spare)
            spare.close()
        self._litter = LITTER_LOOKS

    def _hand_over(self, connection: int) -> None:
        """Give the connection to a waiting monitor, or to a new one when there is none."""
        try:
            while self._spares:
                if _send(self._take(), connection):
                    return
                self._litter = LITTER_LOOKS
            _send(self._fork(""), connection)
            prime(self._procs)
        except OSError as error:
            _refuse(connection, f"cannot fork a monitor: {error}")
        finally:
            os.close(connection)

    def _end_spares(self) -> None:
        """They take apart what they have made; a zygote that has ended has left nothing."""
        for spare in self._spares:
            spare.shutdown(_socket.SHUT_WR)
            spare.settimeout(END_BOUND)
        for spare in self._spares:
            with suppress(OSError):  # stuck: the next zygote finds what it leaves
                spare.recv(1)

    def _fork(self, parent: str) -> _socket.socket:
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
            self._wait_as_monitor(theirs, parent)
        theirs.close()
        return ours

    def _wait_as_monitor(self, zygote: _socket.socket, parent: str) -> NoReturn:
        self._engine.close()
        for spare in self._spares:
            spare.close()
        if self._procs is not None:
            os.close(self._procs)
        signals.signal(signals.SIGCHLD, signals.SIG_DFL)
        monitor.run(zygote, self._layout, parent)


def main() -> None:
    """Serve a SOCK_SEQPACKET socket until its peer closes.

    The last two arguments are the cgroup parent of the engine's containers and its descriptor.
    """
    engine, parent = _socket.socket(fileno=int(sys.argv[-1])), sys.argv[-2]
    monitor.write_name("berth-zygote")
    signals.signal(signals.SIGCHLD, signals.SIG_IGN)  # monitors are nobody's to wait for
    os.chdir("/")
    os.umask(0o022)
    layout = detect()
    slots.sweep(layout, parent)
    kept = warm_up(layout)
    zygote = Zygote(engine, layout, parent)
    gc.collect()
    filling = fill_holes()
    gc.freeze()
    gc.disable()
    zygote.serve()
    del filling, kept


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
