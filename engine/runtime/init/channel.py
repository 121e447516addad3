"""The messages between a container's init and the monitor that cloned it.

A SOCK_SEQPACKET pair, one marshalled tuple a message. From init: `ready` (warnings), `pid` (exec
sessions: the pid seen from the host), `error` (step, errno, text), and of few `terminal` (its
master as SCM_RIGHTS), `hooks` (run those outside, answer `hooked`) and `listener` (the number of
its seccomp notify descriptor). To init: `attached` (it is in its cgroup, and its ids are mapped),
`start`. From `ready` on, all is read(2) and write(2), which every seccomp policy lets through.
The end closes by itself when the program is executed: an end of file after `start` is success.
"""

import _socket
import array
import marshal
import os
import select
from typing import Any

READY = "ready"
PID = "pid"
ERROR = "error"
ATTACHED = "attached"
START = "start"
HOOKS = "hooks"
HOOKED = "hooked"
LISTENER = "listener"
TERMINAL = "terminal"

_LARGEST = 64 * 1024


class StepFailed(Exception):
    """A step of a container's start that the kernel refused.

    `errno` is 0 when no system call failed. For steps `lookup` and `exec` the text has Docker's
    words, ENOENT means "no such program" (127) and any other errno "cannot be executed" (126).
    """

    def __init__(self, step: str, errno: int, text: str) -> None:
        super().__init__(step, errno, text)
        self.step = step
        self.errno = errno
        self.text = text

    def __str__(self) -> str:
        return self.text if self.step in ("lookup", "exec") else f"{self.step}: {self.text}"


def pair() -> tuple[int, int]:
    """Descriptors of the monitor's end and of init's end, both close-on-exec."""
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    return ours.detach(), theirs.detach()


class Channel:
    """One end of the pair, by descriptor."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._answer = -1
        self._socket = _socket.socket(fileno=fd)

    def fileno(self) -> int:
        return self.fd

    def send(self, *message: Any, fds: tuple[int, ...] = ()) -> None:
        """Send one message. Raises ConnectionError when the other end is gone."""
        if self._answer >= 0:
            os.write(self._answer, marshal.dumps(message))
            return
        if not fds:
            os.write(self.fd, marshal.dumps(message))
            return
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", fds))]
        self._socket.sendmsg([marshal.dumps(message)], rights, _socket.MSG_NOSIGNAL)

    def receive(self, bound: float | None = None) -> tuple[tuple[Any, ...], list[int]] | None:
        """The next message and its descriptors; None at the end of file.

        Raises TimeoutError when `bound` seconds pass without either.
        """
        if bound is not None:
            self._wait(bound)
        try:
            data, rights = self._receive()
        except ConnectionResetError:
            # The other end died without having read everything (unix(7)). That is told once and
            # first; what it had sent before comes now, and then the end of file.
            data, rights = self._receive()
        fds = array.array("i")
        for level, kind, body in rights:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                fds.frombytes(body[: len(body) - len(body) % fds.itemsize])
        return (marshal.loads(data), list(fds)) if data else None

    def _wait(self, bound: float) -> None:
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        if not poll.poll(bound * 1000):
            raise TimeoutError

    def _receive(self) -> tuple[bytes, list[tuple[int, int, bytes]]]:
        space = _socket.CMSG_SPACE(4 * 4)
        return self._socket.recvmsg(_LARGEST, space, _socket.MSG_CMSG_CLOEXEC)[:2]

    def expect(self, kind: str) -> list[int]:
        """Wait for the one message that may come now, and return its descriptors.

        The other end's death ends this process.
        """
        received = self.receive()
        if received is None or received[0][0] != kind:
            os._exit(255)
        return received[1]

    def wait_start(self) -> None:
        """Wait for `start`; the other end's death ends this process."""
        try:
            data = os.read(self.fd, _LARGEST)
        except ConnectionResetError:
            data = b""
        if not data or marshal.loads(data)[0] != START:
            os._exit(255)

    def leave(self, answer: int) -> None:
        """Close the channel; what is sent from here on goes to the gate's answer (see `gate`)."""
        self._answer = answer
        self._socket.close()

    def close(self) -> None:
        self._socket.close()
