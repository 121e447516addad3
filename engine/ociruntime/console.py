"""Handing the master of a process's pseudo terminal to the listener at `--console-socket`."""

import array
import os
from _socket import AF_UNIX, SCM_RIGHTS, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET, socket

from engine.errors import InvalidArgument, RuntimeFailure

_NAME = b"/dev/ptmx"


class ConsoleSocket:
    """The caller's socket, connected before anything is made."""

    def __init__(self, path: str) -> None:
        self._socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise RuntimeFailure(f"console socket {path}: {error.strerror}") from error

    def send(self, master: int) -> None:
        """Send the terminal, and let go of both; the receiver reads a name beside it, as runc's."""
        rights = [(SOL_SOCKET, SCM_RIGHTS, array.array("i", [master]))]
        try:
            self._socket.sendmsg([_NAME], rights)
        except OSError as error:
            raise RuntimeFailure(f"cannot send the terminal: {error.strerror}") from error
        finally:
            os.close(master)
            self.close()

    def close(self) -> None:
        self._socket.close()


def connect(path: str, *, terminal: bool, detached: bool) -> ConsoleSocket | None:
    """The socket that `path` names; None when there is to be none. Raises InvalidArgument."""
    if path and not (detached and terminal):
        raise InvalidArgument("cannot use console socket if it will not detach or allocate tty")
    if detached and terminal and not path:
        raise InvalidArgument("cannot allocate tty when detached without setting console socket")
    return ConsoleSocket(path) if path else None
