"""Every message between engine, zygote and monitor, and how it is framed.

Engine to zygote: one SOCK_SEQPACKET message a fork, the new monitor's connection as SCM_RIGHTS.
Engine to monitor: a stream of frames, `>IB` (payload length, kind) and the payload. Control
messages are marshal'd: both ends are one user's, and json alone would cost every monitor more
memory than its own code does. No I/O here, and nothing the monitor does not need.
"""

import marshal
from collections.abc import Iterator
from struct import Struct
from typing import Any, NamedTuple

from engine import errors

CONTROL, STDIN, STDOUT, STDERR, STDIN_EOF, PLAN = 1, 2, 3, 4, 5, 6
"""Frame kinds. CONTROL is a marshal'd dict, PLAN a marshal'd plan, the rest are raw bytes."""

HEADER = Struct(">IB")
MAX_PAYLOAD = 32 * 1024 * 1024
"""Larger frames are refused: a plan holds at most the kernel's 2 MiB of arguments several times."""

_DICT = b"{"

MARSHAL_VERSION = 2
"""Without object references: the same value always gives the same bytes, on every Python."""

# CONTROL objects. Request: {"verb": …, "id": n, arguments}; answer: {"id": n, "ok": {…}} or
# {"id": n, "error": class name in engine.errors, "message": …}; unasked: {"event": …}.

STREAM_KINDS = {1: STDOUT, 2: STDERR}
"""Stream number (1 stdout, 2 stderr) to frame kind."""


class WireError(ValueError):
    """The peer sent what this protocol does not allow."""


class CreateRequest(NamedTuple):
    """What a monitor needs to know about its container, beside the compiled plan.

    Sizes are bytes; `log_max_bytes` 0 never rotates; `resources` are OCI `linux.resources`. With
    `start` the request to start it comes next, and need not be waited for.
    """

    id: str
    bundle: str
    log_path: str
    exit_path: str
    log_max_bytes: int
    log_max_files: int
    open_stdin: bool
    stdin_once: bool
    terminal: bool
    cgroup: str
    resources: dict[str, Any]
    start: bool = False

    def to_wire(self) -> dict[str, Any]:
        return self._asdict()

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> "CreateRequest":
        return cls(**fields)


def frame(kind: int, payload: bytes) -> bytes:
    """One frame, ready to send."""
    return HEADER.pack(len(payload), kind) + payload


def control(message: dict[str, Any]) -> bytes:
    """One CONTROL frame."""
    return frame(CONTROL, marshal.dumps(message, MARSHAL_VERSION))


def parse_control(payload: bytes) -> dict[str, Any]:
    """The message of a CONTROL frame. Raises WireError when it is none."""
    if not payload.startswith(_DICT):  # looked at first: marshal would build any size that is said
        raise WireError(f"control frame is not a dict: {payload[:40]!r}")
    message: dict[str, Any] = parse_plan(payload)
    return message


_ERRORS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.EngineError)
}


def error(kind: str, message: str) -> errors.EngineError:
    """The exception that the other side named."""
    return _ERRORS.get(kind, errors.RuntimeFailure)(message)


def plan(value: Any) -> bytes:
    """One PLAN frame: only made by the engine for the monitors of its own installation."""
    return frame(PLAN, marshal.dumps(value, MARSHAL_VERSION))


def parse_plan(payload: bytes) -> Any:
    """The value of a PLAN frame.

    Raises:
        WireError: not a marshal'd value.
    """
    try:
        return marshal.loads(payload)
    except (EOFError, ValueError, TypeError, MemoryError) as error:
        raise WireError(f"payload is damaged: {error}") from error


def parse_header(header: bytes) -> tuple[int, int]:
    """(payload length, kind) of a frame's first five bytes.

    Raises:
        WireError: longer than MAX_PAYLOAD, or an unknown kind.
    """
    length, kind = HEADER.unpack(header)
    if length > MAX_PAYLOAD or not CONTROL <= kind <= PLAN:
        raise WireError(f"bad frame header {header.hex()}")
    return length, kind


class Decoder:
    """Frames out of a byte stream that arrives in pieces of any size."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def rest(self) -> bytes:
        """What has come of frames that were not taken yet."""
        return bytes(self._buffer)

    def keep(self, data: bytes) -> None:
        """Take `data` in for a later `feed`."""
        self._buffer += data

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Take `data` in and yield every frame that is complete, as (kind, payload).

        Raises:
            WireError: the stream is not this protocol; nothing after it can be trusted.
        """
        buffer = self._buffer
        buffer += data
        while len(buffer) >= HEADER.size:
            length, kind = parse_header(bytes(buffer[: HEADER.size]))
            end = HEADER.size + length
            if len(buffer) < end:
                return
            payload = bytes(buffer[HEADER.size : end])
            del buffer[:end]
            yield kind, payload
