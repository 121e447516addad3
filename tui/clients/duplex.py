"""Docker's hijacked connections: attach and exec, both ways on one socket.

Plain asyncio streams, because the bytes after ``101 UPGRADED`` are no longer HTTP.
"""

import asyncio
import contextlib
import json
import struct
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tui.clients.endpoint import Endpoint
from tui.clients.errors import ServerFault, Unreachable, from_status
from tui.clients.transport import ANSWER_SECONDS, CHUNK, CONNECT_SECONDS, error_message

FRAME_HEADER = struct.Struct(">BxxxI")
MAX_FRAME = 1 << 26


class Duplex:
    """What flows to and from a process; framed unless it has a terminal."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, tty: bool
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.tty = tty

    async def read(self) -> tuple[int, bytes] | None:
        """The next piece as (1 stdout | 2 stderr, data); None when the process is done."""
        try:
            return await (self._read_raw() if self.tty else self._read_frame())
        except (ConnectionError, asyncio.IncompleteReadError):
            return None

    async def _read_raw(self) -> tuple[int, bytes] | None:
        data = await self._reader.read(CHUNK)
        return (1, data) if data else None

    async def _read_frame(self) -> tuple[int, bytes] | None:
        kind, size = FRAME_HEADER.unpack(await self._reader.readexactly(FRAME_HEADER.size))
        if kind > 3 or size > MAX_FRAME:
            raise ServerFault(f"not a stream frame: kind {kind}, {size} bytes")
        return (2 if kind == 2 else 1), await self._reader.readexactly(size)

    async def write(self, data: bytes) -> None:
        """Sends input.

        Raises:
            Unreachable: when the other end is gone.
        """
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError as error:
            raise Unreachable("the process no longer takes input") from error

    async def write_eof(self) -> None:
        """Ends the input; output still comes."""
        with contextlib.suppress(OSError):  # gone already: then the input has ended too
            self._writer.write_eof()

    async def close(self) -> None:
        """Drops the connection; the process is not touched."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):  # closed by the other end first
            await asyncio.wait_for(self._writer.wait_closed(), CONNECT_SECONDS)


async def upgrade(
    endpoint: Endpoint,
    path: str,
    *,
    params: Mapping[str, str] | None = None,
    body: Any = None,
    tty: bool,
) -> Duplex:
    """POSTs ``path`` and takes the connection over.

    Raises:
        ClientError: the engine's refusal, or ``Unreachable``.
    """
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await _connect(endpoint)
            try:
                await _handshake(reader, writer, _head(endpoint, path, params, body))
            except BaseException:
                writer.close()
                raise
    except TimeoutError as error:
        raise Unreachable(f"no answer in time from {endpoint}") from error
    except (OSError, asyncio.IncompleteReadError) as error:
        raise Unreachable(f"no engine at {endpoint}: {error}") from error
    return Duplex(reader, writer, tty=tty)


async def _connect(endpoint: Endpoint) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if endpoint.path:
        return await asyncio.open_unix_connection(endpoint.path)
    return await asyncio.open_connection(endpoint.host, endpoint.port)


def _head(endpoint: Endpoint, path: str, params: Mapping[str, str] | None, body: Any) -> bytes:
    target = path + ("?" + urlencode(params) if params else "")
    payload = json.dumps(body).encode() if body is not None else b""
    lines = [
        f"POST {target} HTTP/1.1",
        f"Host: {endpoint.base.removeprefix('http://')}",
        "Connection: Upgrade",
        "Upgrade: tcp",
        "Content-Type: application/json",
        f"Content-Length: {len(payload)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload


async def _handshake(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> None:
    writer.write(request)
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status = _status(head)
    if status in (101, 200):
        return
    raise from_status(status, error_message(await _error_body(reader, head)))


def _status(head: str) -> int:
    words = head.split(None, 2)
    if len(words) < 2 or not words[1].isdecimal():
        raise ServerFault(f"not an HTTP answer: {head[:80]!r}")
    return int(words[1])


async def _error_body(reader: asyncio.StreamReader, head: str) -> str:
    for line in head.splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-length" and value.strip().isdecimal():
            size = min(int(value), CHUNK)
            return (await reader.readexactly(size)).decode("utf-8", "replace")
    return (await reader.read(CHUNK)).decode("utf-8", "replace")
