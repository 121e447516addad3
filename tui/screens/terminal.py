"""An interactive process of a container on this terminal, while the TUI is suspended.

The terminal is put into raw mode, so every key, ctrl-c too, goes to the process; when attached,
ctrl-p ctrl-q leaves it running, as in Docker, and ctrl-c does where it has no terminal.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import sys
import termios
import tty
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

CTRL_P_CTRL_Q = b"\x10\x11"
CTRL_C = b"\x03"
CHUNK = 65536
Resize = Callable[[int, int], Awaitable[None]]


class Line(Protocol):
    """The connection to the process, as `tui.clients` gives it."""

    async def read(self) -> tuple[int, bytes] | None:
        """The next piece, None at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Keys to the process."""
        ...

    async def write_eof(self) -> None:
        """No more keys."""
        ...

    async def close(self) -> None:
        """Drop the connection."""
        ...


def size(fd: int) -> tuple[int, int]:
    """(height, width) of the terminal, 24×80 when it will not say."""
    try:
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))
    except OSError:
        return 24, 80
    return rows or 24, columns or 80


@contextlib.contextmanager
def raw(fd: int, *, cooked_output: bool) -> Iterator[None]:
    """Every key goes through; the mode is as it was afterwards, whatever happens.

    A process without a terminal of its own ends its lines with a bare line feed: then the output
    stays cooked, or they would run down like stairs.
    """
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd)
        if cooked_output:
            mode = termios.tcgetattr(fd)
            mode[1] |= termios.OPOST | termios.ONLCR
            termios.tcsetattr(fd, termios.TCSADRAIN, mode)
        yield
    finally:
        with contextlib.suppress(termios.error):  # gone with the connection: nothing to restore
            termios.tcsetattr(fd, termios.TCSADRAIN, before)


class DetachFilter:
    """Finds the detach sequence, also when it comes in two pieces; an empty one is never found."""

    def __init__(self, sequence: bytes) -> None:
        self.sequence = sequence
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """(what to send, whether to leave)."""
        if not self.sequence:
            return data, False
        data = self._held + data
        self._held = b""
        before, found, _ = data.partition(self.sequence)
        if found:
            return before, True
        if len(self.sequence) > 1 and data.endswith(self.sequence[:1]):
            self._held = data[-1:]
            data = data[:-1]
        return data, False


class Session:
    """One process on this terminal until it ends or the person leaves it."""

    def __init__(self, line: Line, resize: Resize, *, terminal: bool, detach: bytes) -> None:
        self.line = line
        self.resize = resize
        self.terminal = terminal
        self.detach = detach
        self.input = sys.__stdin__.fileno() if sys.__stdin__ else 0
        self.output = sys.__stdout__.fileno() if sys.__stdout__ else 1
        self.left = False
        self._keys: asyncio.Queue[bytes] = asyncio.Queue()

    async def run(self) -> bool:
        """True when it was left running, False when it ended."""
        loop = asyncio.get_running_loop()
        with raw(self.input, cooked_output=not self.terminal):
            loop.add_reader(self.input, self._read_keys)
            loop.add_signal_handler(signal.SIGWINCH, self._resized)
            try:
                await self._pump()
            finally:
                loop.remove_reader(self.input)
                loop.remove_signal_handler(signal.SIGWINCH)
                await self.line.close()
        return self.left

    def _read_keys(self) -> None:
        try:
            data = os.read(self.input, CHUNK)
        except OSError:
            data = b""  # the terminal has gone: its end, told once
        if not data:
            asyncio.get_running_loop().remove_reader(self.input)
        self._keys.put_nowait(data)

    async def _pump(self) -> None:
        await self._send_size()
        async with asyncio.TaskGroup() as tasks:
            keys = tasks.create_task(self._send_keys())
            output = tasks.create_task(self._show_output())
            done, _ = await asyncio.wait((keys, output), return_when=asyncio.FIRST_COMPLETED)
            if self.left or output in done:
                keys.cancel()
                output.cancel()
            else:
                await output
                keys.cancel()

    async def _send_keys(self) -> None:
        detach = DetachFilter(self.detach)
        while data := await self._keys.get():
            send, self.left = detach.feed(data)
            if send:
                await self.line.write(send)
            if self.left:
                return
        await self.line.write_eof()

    async def _show_output(self) -> None:
        while (piece := await self.line.read()) is not None:
            data = piece[1]
            while data:
                data = data[os.write(self.output, data) :]

    def _resized(self) -> None:
        self._resizing = asyncio.ensure_future(self._send_size())

    async def _send_size(self) -> None:
        height, width = size(self.output)
        await self.resize(height, width)
