"""A D-Bus client, as much as talking to systemd takes (D-Bus Specification, 0.43).

Loaded only by who asks systemd for a cgroup. It blocks, with a bound for every answer; no threads.
"""

import _socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from engine.errors import Unavailable
from engine.runtime.cgroups import wireformat

BOUND_S = 10.0
_CALL, _RETURN, _ERROR, _SIGNAL = 1, 2, 3, 4
_PATH, _INTERFACE, _MEMBER, _ERROR_NAME, _REPLY_SERIAL, _DESTINATION, _SENDER, _SIGNATURE = range(
    1, 9
)
_LONGEST = 1 << 20  # no answer of systemd to our questions comes near
_BUS = "org.freedesktop.DBus"


class BusError(Exception):
    """What the other side answered instead of a result; `name` is the error's own."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{message or name}")
        self.name = name


class Signal(NamedTuple):
    interface: str
    member: str
    body: tuple[Any, ...]


class _Message(NamedTuple):
    kind: int
    fields: dict[int, Any]
    body: tuple[Any, ...]


class Connection:
    """One connection, to a bus or straight to a service that listens itself (`bus=False`)."""

    def __init__(self, path: str, *, bus: bool = True, bound: float = BOUND_S) -> None:
        """Raises Unavailable when nobody answers there, or does not know us."""
        self._serial = 0
        self._bound = bound
        self._signals: list[Signal] = []
        self._pending = b""
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            self._socket.settimeout(bound)
            self._socket.connect(path)
            self._authenticate()
            if bus:
                self.call(_BUS, "/org/freedesktop/DBus", _BUS, "Hello")
        except (OSError, BusError) as error:
            self._socket.close()
            raise Unavailable(f"no D-Bus at {path}: {error}") from error
        except Unavailable:
            self._socket.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        arguments: Sequence[Any] = (),
    ) -> tuple[Any, ...]:
        """The result. Raises BusError as answered, and Unavailable when no answer comes."""
        serial = self._send(destination, path, interface, member, signature, arguments)
        deadline = time.monotonic() + self._bound
        while True:
            message = self._receive(deadline)
            if message.fields.get(_REPLY_SERIAL) != serial:
                continue
            if message.kind == _ERROR:
                words = message.body[0] if message.body else ""
                raise BusError(str(message.fields.get(_ERROR_NAME, "")), str(words))
            return message.body

    def watch(self, interface: str, member: str) -> None:
        """Have the bus send this signal; one who is not on a bus gets all of them anyway."""
        rule = f"type='signal',interface='{interface}',member='{member}'"
        self.call(_BUS, "/org/freedesktop/DBus", _BUS, "AddMatch", "s", (rule,))

    def wait(self, wanted: Callable[[Signal], bool]) -> Signal:
        """The first such signal, of those that have come already, too."""
        deadline = time.monotonic() + self._bound
        while True:
            for signal in self._signals:
                if wanted(signal):
                    self._signals.clear()
                    return signal
            self._receive(deadline)

    def _authenticate(self) -> None:
        """Be who the kernel says that we are (EXTERNAL).

        No number is sent: in a user namespace ours is not the one that the other side sees.
        """
        self._socket.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\n")
        line = self._line()
        if line == b"DATA":
            line = self._line()
        if not line.startswith(b"OK "):
            raise Unavailable(f"D-Bus does not know us: {line.decode(errors='replace')}")
        self._socket.sendall(b"BEGIN\r\n")

    def _line(self) -> bytes:
        data = b""
        while not data.endswith(b"\r\n"):
            byte = self._socket.recv(1)
            if not byte or len(data) > 512:
                raise Unavailable("D-Bus broke off the greeting")
            data += byte
        return data.rstrip()

    def _send(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str,
        arguments: Sequence[Any],
    ) -> int:
        self._serial += 1
        body = wireformat.encode(signature, arguments)
        fields = [
            (_PATH, ("o", path)),
            (_INTERFACE, ("s", interface)),
            (_MEMBER, ("s", member)),
            (_DESTINATION, ("s", destination)),
        ]
        if signature:
            fields.append((_SIGNATURE, ("g", signature)))
        head = wireformat.encode(
            "yyyyuua(yv)", (ord("l"), _CALL, 0, 1, len(body), self._serial, fields)
        )
        head += bytes(-len(head) % 8)
        try:
            self._socket.sendall(head + body)
        except OSError as error:
            raise Unavailable(f"D-Bus broke off: {error}") from error
        return self._serial

    def _receive(self, deadline: float) -> _Message:
        """The next message; a signal is kept for who waits for it."""
        head = self._read(16, deadline)
        order = "<" if head[:1] == b"l" else ">"
        length, _, fields_length = struct.unpack_from(f"{order}III", head, 4)
        rest = -(16 + fields_length) % 8
        if length + fields_length > _LONGEST:
            raise Unavailable(f"D-Bus sent a message of {length + fields_length} bytes")
        data = head + self._read(fields_length + rest + length, deadline)
        pairs = wireformat.decode("a(yv)", data[12 : 16 + fields_length], order, offset=12)[0]
        fields = {key: value for key, (_, value) in pairs}
        signature = str(fields.get(_SIGNATURE, ""))
        body = wireformat.decode(signature, data[16 + fields_length + rest :], order)
        message = _Message(head[1], fields, body)
        if message.kind == _SIGNAL:
            names = (str(fields.get(_INTERFACE, "")), str(fields.get(_MEMBER, "")))
            self._signals.append(Signal(*names, body))
        return message

    def _read(self, size: int, deadline: float) -> bytes:
        while len(self._pending) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Unavailable("D-Bus does not answer")
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                continue
            except OSError as error:
                raise Unavailable(f"D-Bus broke off: {error}") from error
            if not data:
                raise Unavailable("D-Bus broke off")
            self._pending += data
        data, self._pending = self._pending[:size], self._pending[size:]
        return data
