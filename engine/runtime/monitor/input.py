"""To the program's standard input: what attached clients send, as fast as the program takes it."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from engine.runtime.monitor.handover import Rights
from engine.runtime.monitor.loop import WRITE, Loop

LIMIT = 64 * 1024
"""Bytes kept for a program that does not read; beyond it the senders are made to wait."""


class Input:
    """The writing end of a pipe, or a duplicate of a terminal's master; -1 takes nothing."""

    def __init__(self, loop: Loop, fd: int = -1, *, terminal: bool = False) -> None:
        self._loop = loop
        self._fd = fd
        self._terminal = terminal
        self._buffer = bytearray()
        self._closing = False
        self.on_room: Callable[[], None] | None = None
        if fd >= 0:
            os.set_blocking(fd, False)

    @property
    def pending(self) -> bool:
        """Whether there is something that the program has not taken yet."""
        return bool(self._buffer)

    def facts(self, rights: Rights) -> tuple[Any, ...]:
        """All that `restore` needs in another process."""
        return rights.add(self._fd), self._terminal, self._closing, bytes(self._buffer)

    @classmethod
    def restore(cls, loop: Loop, facts: tuple[Any, ...], fds: Sequence[int]) -> "Input":
        index, terminal, closing, data = facts
        stdin = cls(loop, fds[index] if index >= 0 else -1, terminal=terminal)
        stdin._buffer += data
        stdin._closing = closing
        if data:
            stdin._watch()
        return stdin

    @property
    def full(self) -> bool:
        return len(self._buffer) >= LIMIT

    @property
    def closed(self) -> bool:
        return self._fd < 0 or self._closing

    def write(self, data: bytes) -> None:
        """Pass on now what the program takes, keep the rest; dropped when stdin is closed."""
        if self.closed:
            return
        self._buffer += data
        self._flush()

    def write_eof(self) -> None:
        """End of input, after what is still to be written; a terminal has no such end."""
        if self._terminal:
            return
        self._closing = True
        self._flush()

    def _flush(self, _events: int = 0) -> None:
        was_full = self.full
        while self._buffer:
            try:
                written = os.write(self._fd, self._buffer)
            except BlockingIOError:
                break
            except OSError:  # nobody reads any more: EPIPE, or EIO of a terminal
                self._buffer.clear()
                self._closing = not self._terminal
                break
            del self._buffer[:written]
        self._watch()
        if was_full and not self.full and self.on_room is not None:
            self.on_room()

    def _watch(self) -> None:
        if self._buffer and not self._loop.knows(self._fd):
            self._loop.add(self._fd, WRITE, self._flush)
        elif not self._buffer:
            self._loop.remove(self._fd)
            if self._closing:
                self.close()

    def close(self) -> None:
        """Close at once; what was not taken is lost, as with any pipe whose reader is gone."""
        if self._fd >= 0:
            self._loop.remove(self._fd)
            os.close(self._fd)
            self._fd = -1
        self._buffer.clear()
