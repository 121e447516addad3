"""A process in the foreground: its streams, its signals and its exit code, as if it were this one.

Without a terminal the program gets pipes, so that it never holds the caller's own terminal; with
one, the caller's is put into raw mode meanwhile.
"""

import _signal  # type: ignore[import-not-found]
import os
import select
from collections.abc import Callable

from engine.runtime import signals, syscalls

_CHUNK = 64 * 1024
_WINCH = int(_signal.SIGWINCH)
# Sent by the kernel for what this process itself did, or of no meaning to another one.
_OWN = {
    int(getattr(_signal, f"SIG{name}"))
    for name in "KILL STOP CHLD PIPE URG SEGV BUS FPE ILL TRAP SYS ABRT".split()
}


class Pipes:
    """Three pipes; `child` are the program's ends of them."""

    def __init__(self) -> None:
        stdin, stdout, stderr = (os.pipe2(os.O_CLOEXEC) for _ in range(3))
        self.child = (stdin[0], stdout[1], stderr[1])
        self.stdin: int = stdin[1]
        self.outputs = {stdout[0]: 1, stderr[0]: 2}

    def release(self) -> None:
        """Close the program's ends, once it has them."""
        for fd in self.child:
            os.close(fd)


class Terminal:
    """The master of the program's terminal, and the caller's own terminal if it has one."""

    def __init__(self, master: int) -> None:
        import termios

        self.master = master
        self._own = next((fd for fd in (0, 1, 2) if os.isatty(fd)), -1)
        self._before = termios.tcgetattr(self._own) if self._own >= 0 else None
        self.resize()

    def enter(self) -> None:
        """Hand every key to the program."""
        import tty

        if self._own >= 0:
            tty.setraw(self._own)

    def leave(self) -> None:
        import termios

        if self._before is not None:
            termios.tcsetattr(self._own, termios.TCSADRAIN, self._before)

    def resize(self) -> None:
        """Give the program's terminal the size of the caller's."""
        from engine.runtime import terminal

        if self._own >= 0:
            size = os.get_terminal_size(self._own)
            terminal.resize(self.master, size.lines, size.columns)


class Relay:
    """Passes bytes and signals on until the process has ended."""

    def __init__(self, pid: int, pidfd: int) -> None:
        self._pid = pid
        self._pidfd = pidfd
        self._poll = select.poll()
        self._ready: dict[int, Callable[[], object]] = {}
        self._outputs: dict[int, int] = {}
        self._stdin = -1
        self._pending = b""
        self._terminal: Terminal | None = None
        self._status: int | None = None

    def use_pipes(self, pipes: Pipes) -> None:
        self._stdin = pipes.stdin
        for source, target in pipes.outputs.items():
            self._add_output(source, target)
        self._add_input()

    def use_terminal(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._stdin = os.dup(terminal.master)
        self._add_output(terminal.master, 1)
        self._add_input()

    def _add_output(self, source: int, target: int) -> None:
        os.set_blocking(source, False)
        self._outputs[source] = target
        self._watch(source, select.POLLIN, lambda: self._pass_out(source, target))

    def _add_input(self) -> None:
        os.set_blocking(self._stdin, False)
        self._watch(0, select.POLLIN, self._take_in)

    def _watch(self, fd: int, events: int, then: Callable[[], object]) -> None:
        self._ready[fd] = then
        self._poll.register(fd, events)

    def _forget(self, fd: int) -> None:
        if self._ready.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def run(self) -> int:
        """The exit code of the process; 128 and the signal when one killed it."""
        wakeup = self._listen()
        try:
            self._watch(self._pidfd, select.POLLIN, self._reap)
            if self._terminal is not None:
                self._terminal.enter()
            while self._status is None:
                for fd, _ in self._poll.poll():
                    if fd in self._ready:
                        self._ready[fd]()
            self._drain()
        finally:
            if self._terminal is not None:
                self._terminal.leave()
            _signal.set_wakeup_fd(-1)
            for fd in wakeup:
                os.close(fd)
        return syscalls.exit_status(self._status)[0]

    # --- signals --------------------------------------------------------------------------------

    def _listen(self) -> tuple[int, int]:
        """Have every signal told by a descriptor; each is for the process, not for this one."""
        reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        _signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in _signal.valid_signals() - _OWN:
            _signal.signal(number, lambda *_: None)
        self._watch(reading, select.POLLIN, lambda: self._signals(reading))
        return reading, writing

    def _signals(self, reading: int) -> None:
        for number in os.read(reading, _CHUNK):
            if number == _WINCH and self._terminal is not None:
                self._terminal.resize()
            elif number not in _OWN:
                self._forward(number)

    def _forward(self, number: int) -> None:
        try:
            signals.pidfd_send_signal(self._pidfd, number)
        except ProcessLookupError:
            return  # it has ended, and is reaped next

    def _reap(self) -> None:
        self._status = os.waitpid(self._pid, 0)[1]

    # --- bytes ----------------------------------------------------------------------------------

    def _take_in(self) -> None:
        """Read the caller's input; more only when the program has taken it."""
        try:
            data = os.read(0, _CHUNK)
        except OSError:
            data = b""  # the caller's terminal is gone
        if not data:
            self._forget(0)
            self._end_input()
            return
        self._pending = data
        self._give()

    def _give(self) -> None:
        try:
            written = os.write(self._stdin, self._pending)
        except BlockingIOError:
            written = 0
        except OSError:
            self._pending = b""  # nobody reads it any more
            self._forget(0)
            self._end_input()
            return
        self._pending = self._pending[written:]
        if self._pending and 0 in self._ready:
            self._forget(0)
            self._watch(self._stdin, select.POLLOUT, self._give)
        elif not self._pending and self._stdin in self._ready:
            self._forget(self._stdin)
            self._watch(0, select.POLLIN, self._take_in)

    def _end_input(self) -> None:
        """A pipe is closed, which is the end of the file; a terminal has no such end."""
        if self._stdin >= 0:
            self._forget(self._stdin)
            os.close(self._stdin)
            self._stdin = -1

    def _pass_out(self, source: int, target: int) -> bool:
        """Pass a piece on; False when there is none now, or none ever again."""
        try:
            data = os.read(source, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""  # EIO: the terminal's last user is gone
        if not data:
            self._forget(source)
            return False
        _write_all(target, data)
        return True

    def _drain(self) -> None:
        """What was written before the end, and no more: something left behind may write on."""
        for source, target in self._outputs.items():
            while source in self._ready and self._pass_out(source, target):
                pass


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll()
        except BrokenPipeError:
            return  # nobody reads the caller's output any more
