"""How a container goes from its builder, which made and started it, to its monitor.

One message: a head that the monitor understands without building anything (a byte: whether
something is waiting already; a byte: how many of the descriptors to look at while it sleeps; four:
the pid of init), then a marshalled tuple and the descriptors that it counts from 0. An idle
container's monitor never reads further, and touches next to none of the memory it shares.
"""

import _socket
import array
import errno
import marshal
import os
from typing import Any

Message = tuple[bytes, list[int]]

MOST_DESCRIPTORS = 250
"""SCM_MAX_FD of the kernel is 253, and one is kept for a message that goes by file."""

ASLEEP, AWAKE = b"s", b"a"

_HEAD = 6
_INLINE = 128 * 1024
_BY_FILE = b"by file"


def send(peer: _socket.socket, data: bytes, fds: tuple[int, ...]) -> None:
    """One message; what is larger than a socket takes goes by a file in memory. Raises OSError."""
    if len(data) <= _INLINE:
        try:
            _send(peer, data, fds)
        except OSError as error:
            if error.errno != errno.EMSGSIZE:  # net.core.wmem_default is small here
                raise
        else:
            return
    file = os.memfd_create("message")
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
        _send(peer, _BY_FILE, (*fds, file))
    finally:
        os.close(file)


def _send(peer: _socket.socket, data: bytes, fds: tuple[int, ...]) -> None:
    rights = array.array("i", fds)
    peer.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)] if fds else [])


def receive(peer: _socket.socket) -> Message:
    """The next message and its descriptors; empty when the peer has gone."""
    space = _socket.CMSG_SPACE((MOST_DESCRIPTORS + 1) * 4)
    try:
        data, rights, _, _ = peer.recvmsg(_INLINE, space, _socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return b"", []  # it ended without having read everything (unix(7))
    fds = array.array("i")
    for _, _, body in rights:
        fds.frombytes(body)
    if data == _BY_FILE:
        with open(fds.pop(), "rb") as file:
            file.seek(0)
            data = file.read()
    return data, list(fds)


class Rights:
    """Descriptors on their way to another process, each once."""

    def __init__(self) -> None:
        self.fds: list[int] = []

    def add(self, fd: int) -> int:
        """The number by which the other process finds `fd`; -1 for none."""
        if fd < 0:
            return -1
        if fd not in self.fds:
            self.fds.append(fd)
        return self.fds.index(fd)


def pack(facts: tuple[Any, ...], *, asleep: bool, watched: int, init: int) -> bytes:
    """The message: `watched` says how many of the descriptors end the monitor's sleep."""
    head = (ASLEEP if asleep else AWAKE) + bytes((watched,)) + init.to_bytes(4, "big")
    return head + marshal.dumps(facts)


def init(data: bytes) -> int:
    """The pid of the container's init."""
    return int.from_bytes(data[2:_HEAD], "big")


def watched(data: bytes) -> int:
    """How many descriptors, from the first, tell the monitor that there is something to do."""
    return data[1]


def asleep(data: bytes) -> bool:
    """Whether there is nothing to do yet."""
    return data.startswith(ASLEEP)


def unpack(data: bytes) -> tuple[Any, ...]:
    facts: tuple[Any, ...] = marshal.loads(memoryview(data)[_HEAD:])
    return facts
