"""Takes a connection out of HTTP and makes it a two-way byte stream.

A client asks by `Connection: Upgrade` and `Upgrade: tcp` and gets 101; one that does not gets 200
and the same bytes. From then on the socket belongs to an asyncio stream, which, unlike the HTTP
protocol, keeps sending after the client has closed its writing side. At the end it goes back to
aiohttp, which closes it.

aiohttp has no public call for this; what is used here is `Transport.set_protocol`, and the fact
that a handler's protocol accepts `connection_lost` from whoever owns the transport.
"""

import asyncio
import contextlib
import logging
import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from aiohttp import web

from engine.dockerapi.frames import frame
from engine.dockerapi.replies import HEADERS

_log = logging.getLogger(__name__)

BUFFER = 64 * 1024
# How long a client may take to notice the end and close; it has all its data by then.
LINGER_SECONDS = 2.0


class Stream(Protocol):
    """The container's side: output by stream number, input by bytes."""

    async def read(self) -> tuple[int, bytes] | None: ...
    async def write(self, data: bytes) -> None: ...
    async def write_eof(self) -> None: ...
    async def close(self) -> None: ...


class Hijacked(web.StreamResponse):
    """What a handler returns when the bytes have been sent: aiohttp adds nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing to prepare: the head was written by `hijack`."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing to end: the stream has ended."""


class _Owner(asyncio.Protocol):
    """Owns the transport meanwhile, and tells aiohttp if the connection is lost.

    asyncio's own stream protocol would do, but its writer closes what it no longer owns.
    """

    def __init__(self, reader: asyncio.StreamReader, http: asyncio.BaseProtocol) -> None:
        self._reader = reader
        self._http = http
        self.writable = asyncio.Event()
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        self._reader.feed_data(data)

    def eof_received(self) -> bool:
        """True keeps our half open."""
        self._reader.feed_eof()
        return True

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._reader.feed_eof()
        self.writable.set()
        self._http.connection_lost(exc)


class Connection:
    """The client's side of a hijacked request."""

    def __init__(self, transport: asyncio.Transport, http: asyncio.BaseProtocol) -> None:
        self._transport = transport
        self._reader = asyncio.StreamReader(limit=BUFFER)
        self._reader.set_transport(transport)
        self._owner = _Owner(self._reader, http)
        transport.set_protocol(self._owner)
        transport.resume_reading()

    async def read(self) -> bytes:
        """What the client sent, or nothing once it has closed its writing side."""
        return await self._reader.read(BUFFER)

    async def write(self, data: bytes) -> None:
        """Returns when the client has read most of it.

        Raises:
            ConnectionResetError: the client is gone.
        """
        if self._transport.is_closing():
            raise ConnectionResetError("hijack: the client went away")
        self._transport.write(data)
        await self._owner.writable.wait()

    async def discard(self) -> None:
        """Read to the client's end; unread bytes would turn our close into a reset."""
        while await self.read():
            pass

    async def finish(self) -> None:
        """Close the writing side and give the client a moment to close its own."""
        if self._transport.is_closing():
            return
        with contextlib.suppress(OSError, TimeoutError):
            self._transport.write_eof()
            await asyncio.wait_for(self.discard(), LINGER_SECONDS)

    async def abandoned(self) -> None:
        """Return when the client has closed both sides, which a half-close is not.

        After the end of input nobody reads the socket any more, so the hang-up is asked of epoll,
        which reports it whatever it was told to watch.
        """
        if self._transport.is_closing():
            return  # lost, and told to aiohttp, already
        loop = asyncio.get_running_loop()
        hang_up = asyncio.Event()
        with select.epoll() as poll:
            poll.register(self._transport.get_extra_info("socket").fileno(), 0)
            loop.add_reader(poll.fileno(), hang_up.set)
            try:
                await hang_up.wait()
            finally:
                loop.remove_reader(poll.fileno())
        self._transport.abort()


@asynccontextmanager
async def hijack(request: web.BaseRequest, media_type: str) -> AsyncIterator[Connection]:
    """Take the request's connection; it goes back to aiohttp, ended, on the way out.

    Raises:
        ConnectionResetError: the client is gone, or whatever went wrong inside: once the head has
            left, the only thing left to say is the end.
    """
    transport, http = request.transport, request.protocol
    if transport is None or transport.is_closing():
        raise ConnectionResetError("hijack: the client went away")
    connection = Connection(transport, http)
    try:
        await connection.write(_head(request, media_type))
        yield connection
        await connection.finish()
    except ConnectionError:
        raise
    except Exception as error:
        _log.warning("%s broke off", request.path, exc_info=error)
        raise ConnectionResetError(str(error)) from error
    finally:
        transport.set_protocol(http)


def wants_upgrade(request: web.BaseRequest) -> bool:
    return bool(request.headers.get("Upgrade")) and (
        "upgrade" in request.headers.get("Connection", "").lower()
    )


def _head(request: web.BaseRequest, media_type: str) -> bytes:
    upgrade = wants_upgrade(request)
    lines = ["HTTP/1.1 101 UPGRADED" if upgrade else "HTTP/1.1 200 OK"]
    headers = {**HEADERS, "Content-Type": media_type}
    if upgrade:
        headers |= {"Connection": "Upgrade", "Upgrade": "tcp"}
    else:
        headers |= {"Connection": "close"}
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


async def join(connection: Connection, stream: Stream, *, tty: bool, stdin: bool) -> None:
    """Carry bytes both ways until the container's output ends; then close the container's side.

    Buffers are bounded by the sockets on both sides: who does not read is not read from.
    """
    try:
        async with asyncio.TaskGroup() as group:
            feeder = group.create_task(_feed(connection, stream, stdin))
            await _show(connection, stream, tty)
            feeder.cancel()
    except ExceptionGroup as group:
        raise group.exceptions[0] from group
    finally:
        await asyncio.shield(stream.close())


async def _show(connection: Connection, stream: Stream, tty: bool) -> None:
    while (chunk := await stream.read()) is not None:
        number, data = chunk
        await connection.write(data if tty else frame(number, data))


async def _feed(connection: Connection, stream: Stream, stdin: bool) -> None:
    try:
        while data := await connection.read():
            if stdin:
                await stream.write(data)
        if stdin:
            await stream.write_eof()
    except (BrokenPipeError, ConnectionResetError):
        # The container no longer reads; what the client still sends has nowhere to go.
        await connection.discard()
    await connection.abandoned()
