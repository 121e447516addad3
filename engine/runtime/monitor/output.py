"""From the program's stdout, stderr or terminal to the log and to whoever is attached.

Reads at once when something comes after a pause, then at most every COALESCE seconds as long as
the reads stay small: an interactive program is not delayed, and a chatty one does not wake the
monitor for every line.
"""

import errno
import fcntl
import os
from collections.abc import Callable
from typing import Protocol

from engine.runtime import terminal as pty
from engine.runtime.monitor.loop import HANGUP, READ, Loop, Timer

CHUNK = 256 * 1024
"""Bytes a read takes at most; more gains nothing and stays in the heap afterwards."""

PIPE_SIZE = 1024 * 1024
SMALL = 32 * 1024
COALESCE = 0.015
TERMINAL_RETRY = 0.2
"""Seconds until a terminal is looked at again that could not be held."""


Sink = Callable[[int, bytes], None]
"""Takes (1 stdout or 2 stderr, data)."""


class Valve(Protocol):
    """Something that may ask for a pause because a reader of the output cannot keep up."""

    @property
    def closed(self) -> bool: ...


def make_pipe() -> tuple[int, int]:
    """(reading end, non-blocking; writing end) as large as this user may make it."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(reader, False)
    size = PIPE_SIZE
    while size > 64 * 1024:
        try:
            fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, size)
            break
        except OSError:  # fs.pipe-max-size or the user's pipe quota: take what there is
            size //= 2
    return reader, writer


class Output:
    """One descriptor the program writes to; `stream` is 1 or 2.

    `terminal`: the master of a pty. It answers EIO, and keeps every poll awake, while nobody has
    the other end open. That is not the end before `drain`: the other end is held open here then.
    """

    def __init__(
        self, loop: Loop, fd: int, stream: int, sink: Sink, *, valve: Valve, terminal: bool = False
    ) -> None:
        self._loop = loop
        self.fd = fd
        self.stream = stream
        self._sink = sink
        self._valve = valve
        self._terminal = terminal
        self._lasting = terminal
        self._peer = -1
        self._timer: Timer | None = None
        self.on_end: Callable[[], None] | None = None

    @property
    def ended(self) -> bool:
        return self.fd < 0

    def listen(self) -> None:
        """Read as soon as there is something, unless the valve is closed."""
        self._timer = None
        if self.fd >= 0 and not self._valve.closed and not self._loop.knows(self.fd):
            self._loop.add(self.fd, READ, self._ready)

    def pause(self) -> None:
        """Leave what comes in the pipe, until `listen`."""
        self._loop.cancel(self._timer)
        self._timer = None
        self._loop.remove(self.fd)

    def _ready(self, events: int) -> None:
        size = self._read()
        if self.fd < 0 or not self._loop.knows(self.fd):
            return
        if size < 0:
            self._rest(TERMINAL_RETRY)
        elif size < SMALL and not events & HANGUP:
            self._rest(COALESCE)

    def _rest(self, seconds: float) -> None:
        self._loop.remove(self.fd)
        self._timer = self._loop.after(seconds, self.listen)

    def _read(self) -> int:
        """Bytes read and passed on; 0 at the end or when there is nothing, -1 for a dormant pty."""
        try:
            data = os.read(self.fd, CHUNK)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno != errno.EIO or not self._terminal:
                raise
            if self._lasting:
                return self._hold()
            data = b""
        if not data:
            self.close()
            return 0
        self._sink(self.stream, data)
        return len(data)

    def _hold(self) -> int:
        """Be the one who has the other end of the terminal open; -1 when that is refused."""
        self._release()
        try:
            self._peer = pty.open_peer(self.fd)
        except OSError:  # no descriptor to be had, or the terminal is in exclusive mode (EBUSY)
            return -1
        return 0

    def _release(self) -> None:
        if self._peer >= 0:
            os.close(self._peer)
            self._peer = -1

    def drain(self) -> None:
        """Take everything that is in the pipe now; the writers are dead or no longer waited for.

        No more than a pipe holds: something else may have it open and write for ever.
        """
        self._lasting = False
        self._release()
        room = PIPE_SIZE
        while self.fd >= 0 and room > 0 and (size := self._read()) > 0:
            room -= size

    def close(self) -> None:
        """The end: nothing more will be read; safe to call again."""
        if self.fd < 0:
            return
        self.pause()
        self._release()
        os.close(self.fd)
        self.fd = -1
        if self.on_end is not None:
            self.on_end()
