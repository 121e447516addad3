"""The standard streams of one process, a container's or an exec session's, and who is attached.

Back-pressure follows Docker: output goes to every attached client and, when one of them has
`client.HIGH` bytes waiting, the program is made to wait by not reading its pipe. Unlike Docker,
not for ever: a client that takes nothing at all for STALL seconds is dropped, so that it can
delay the container and its log by that long and no longer.
"""

import fcntl
import os
import struct
import termios
from collections.abc import Callable, Sequence
from typing import Any

from engine.runtime import wire
from engine.runtime.monitor.client import Client
from engine.runtime.monitor.handover import Rights
from engine.runtime.monitor.input import Input
from engine.runtime.monitor.log import LogWriter
from engine.runtime.monitor.loop import Loop, Timer
from engine.runtime.monitor.output import Output, make_pipe

STALL = 10.0
UNFINISHED_LINE = 0.3
"""Seconds an unfinished line (a prompt, a progress bar) is kept back from the log."""

_LOG_NAMES = {1: b"stdout", 2: b"stderr"}


class Stdio:
    """Created before the process, given its ends by `child_ends`, listening after `listen`.

    Args:
        log: where output is also written; None for exec sessions.
        open_stdin: whether the process gets a stdin that clients can write to.
        stdin_once: whether stdin ends with the first client that was attached to it.
        complain: told about a client that was dropped.
    """

    def __init__(
        self,
        loop: Loop,
        *,
        log: LogWriter | None,
        open_stdin: bool,
        stdin_once: bool,
        complain: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._log = log
        self._open_stdin = open_stdin
        self._stdin_once = stdin_once
        self._complain = complain
        self._clients: list[Client] = []
        self._outputs: list[Output] = []
        self._input = Input(loop)
        self._child_ends: tuple[int, ...] = ()
        self._terminal = -1
        self._stall: Timer | None = None
        self._line: Timer | None = None
        self._flowing = True

    # --- setting up -----------------------------------------------------------------------------

    def make_pipes(self, *, terminal: bool) -> tuple[int, int, int]:
        """The process's ends of stdin, stdout and stderr; /dev/null when it has a terminal."""
        if terminal:
            null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
            self._child_ends = (null,)
            return null, null, null
        stdin = self._make_stdin()
        self._child_ends = (stdin,)  # as they come: `close` then finds all, if the next is refused
        out, out_end = make_pipe()
        self._child_ends = (stdin, out_end)
        self._outputs = [self._output(out, 1)]
        error, error_end = make_pipe()
        self._child_ends = (stdin, out_end, error_end)
        self._outputs.append(self._output(error, 2))
        return stdin, out_end, error_end

    def _make_stdin(self) -> int:
        if not self._open_stdin:
            return os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        reader, writer = os.pipe2(os.O_CLOEXEC)
        self._use_input(Input(self._loop, writer))
        return reader

    def _output(self, fd: int, stream: int, *, terminal: bool = False) -> Output:
        output = Output(self._loop, fd, stream, self._deliver, valve=self, terminal=terminal)
        output.on_end = self._output_ended
        return output

    def _use_input(self, stdin: Input) -> None:
        self._input = stdin
        stdin.on_room = lambda: self._hold_senders(False)

    def release_child_ends(self) -> None:
        """Close the process's ends here, so that its death ends the streams."""
        for fd in self._child_ends:
            os.close(fd)
        self._child_ends = ()

    def use_terminal(self, master: int) -> None:
        """Take over the pty that init has opened in the container."""
        os.set_blocking(master, False)
        self._terminal = master
        self._outputs = [self._output(os.dup(master), 1, terminal=True)]
        if self._open_stdin:
            self._use_input(Input(self._loop, os.dup(master), terminal=True))

    def listen(self) -> None:
        for output in self._outputs:
            output.listen()

    # --- from the builder to the monitor --------------------------------------------------------

    @property
    def outputs(self) -> tuple[int, ...]:
        """The descriptors that output comes from."""
        return tuple(output.fd for output in self._outputs)

    @property
    def busy(self) -> bool:
        """Whether something waits for the program to take it."""
        return self._input.pending

    def facts(self, rights: Rights) -> tuple[Any, ...]:
        """All that `restore` needs in another process, but for the clients."""
        outputs = tuple((rights.add(each.fd), each.stream) for each in self._outputs)
        return outputs, self._input.facts(rights), rights.add(self._terminal)

    def restore(self, facts: tuple[Any, ...], fds: Sequence[int]) -> None:
        outputs, stdin, terminal = facts
        self._terminal = fds[terminal] if terminal >= 0 else -1
        on_terminal = self._terminal >= 0
        self._outputs = [self._output(fds[at], to, terminal=on_terminal) for at, to in outputs]
        self._use_input(Input.restore(self._loop, stdin, fds))

    def resize(self, height: int, width: int) -> None:
        """Set the terminal's size in characters. Raises OSError; without a terminal, ignored."""
        if self._terminal >= 0:
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("4H", height, width, 0, 0))

    # --- clients --------------------------------------------------------------------------------

    def attach(self, client: Client, streams: tuple[int, ...], *, stdin: bool) -> None:
        """Give `client` the output from now on, and let it write to stdin."""
        client.attachment = self
        client.streams = streams
        client.feeds_stdin = stdin and self._open_stdin
        self._clients.append(client)
        if client.feeds_stdin and self._input.full:
            client.hold(True)
        if self.ended:
            self._end_clients()

    def feed(self, client: Client, data: bytes) -> None:
        if client.feeds_stdin:
            self._input.write(data)
            if self._input.full:
                self._hold_senders(True)

    def feed_eof(self, client: Client) -> None:
        if client.feeds_stdin and self._stdin_once:
            self._input.write_eof()

    def detach(self, client: Client) -> None:
        self._clients.remove(client)
        self.feed_eof(client)
        self.caught_up()

    def _hold_senders(self, holding: bool) -> None:
        for client in self._clients:
            if client.feeds_stdin:
                client.hold(holding)

    # --- output ---------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Valve: whether the program has to wait."""
        return not self._flowing

    def _deliver(self, stream: int, data: bytes) -> None:
        if self._log is not None:
            self._log.write(_LOG_NAMES[stream], data)
            if self._log.unfinished and self._line is None:
                self._line = self._loop.after(UNFINISHED_LINE, self._flush_line)
        for client in list(self._clients):
            if stream in client.streams:
                client.send(wire.STREAM_KINDS[stream], data)
        if any(client.behind for client in self._clients):
            self._wait()

    def _flush_line(self) -> None:
        self._loop.cancel(self._line)
        self._line = None
        if self._log is not None:
            self._log.flush()

    def _wait(self) -> None:
        self._flowing = False
        for output in self._outputs:
            output.pause()
        if self._stall is None:
            progress = {client: client.sent for client in self._clients if client.behind}
            self._stall = self._loop.after(STALL, lambda: self._drop_stalled(progress))

    def caught_up(self) -> None:
        """A client has taken what it had waiting, or is gone."""
        if not self._flowing and not any(client.behind for client in self._clients):
            self._flowing = True
            self._loop.cancel(self._stall)
            self._stall = None
            self.listen()

    def _drop_stalled(self, progress: dict[Client, int]) -> None:
        self._stall = None
        for client, sent in progress.items():
            if client.behind and client.sent == sent and not client.closed:
                self._complain(f"dropped an attached client: it took nothing for {STALL:.0f} s")
                client.close()
        if not self._flowing:
            self._wait()

    # --- the end --------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Whether there will be no more output."""
        return bool(self._outputs) and all(output.ended for output in self._outputs)

    @property
    def clients(self) -> tuple[Client, ...]:
        return tuple(self._clients)

    def _output_ended(self) -> None:
        if self.ended:
            self._flush_line()  # first: whoever has read to the end finds all of it in the log
            self._end_clients()

    def _end_clients(self) -> None:
        for client in list(self._clients):
            client.end()

    def drain(self) -> None:
        """Pass on what the dead process left in its pipes."""
        for output in self._outputs:
            output.drain()

    def close(self) -> None:
        """Close every stream; clients get what is queued for them and then the end."""
        for output in self._outputs:
            output.close()
        self._end_clients()
        self._input.close()
        self.release_child_ends()
        self._loop.cancel(self._line)
        self._loop.cancel(self._stall)
        if self._terminal >= 0:
            os.close(self._terminal)
            self._terminal = -1
