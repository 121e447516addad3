"""The asyncio end of a connection to a monitor: requests and answers, events, streams."""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from engine import errors
from engine.runtime import bundle, wire

REQUEST_BOUND = 30.0
"""Seconds any request to a monitor may take; a start or a pause may have to wait for a disk."""

_LIMIT = 1024 * 1024
_RETRY = 0.005

_GONE = (ConnectionError, asyncio.IncompleteReadError, wire.WireError)

Message = dict[str, Any]


def result(answer: Message) -> Message:
    """What a request gave; raises the EngineError that the monitor named."""
    if "error" in answer:
        raise wire.error(str(answer["error"]), str(answer["message"]))
    ok: Message = answer["ok"]
    return ok


async def connect(bundle_path: str) -> "Streams":
    """A new connection to the monitor of a bundle. Raises OSError when nobody listens."""
    directory = bundle.open_directory(bundle_path)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        async with asyncio.timeout(REQUEST_BOUND):
            await _connect(connection, bundle.socket_address(directory))
    except BaseException:
        connection.close()
        raise
    finally:
        os.close(directory)
    return await Streams.over(connection)


async def _connect(connection: socket.socket, address: str) -> None:
    """Tries again while more wait to be accepted than the monitor lets wait.

    That is EAGAIN on a unix socket, and nothing is under way then (unix(7)); asyncio's own
    `sock_connect` takes it for EINPROGRESS and gives back a socket without a peer.
    """
    while True:
        try:
            connection.connect(address)
        except BlockingIOError:
            await asyncio.sleep(_RETRY)
        else:
            return


class Streams:
    """Frames over one socket; for one reader and one writer at a time."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer_pid: int
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._header: tuple[int, int] | None = None
        self.peer_pid = peer_pid

    @classmethod
    async def over(cls, connection: socket.socket) -> "Streams":
        """Takes the socket over."""
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        reader, writer = await asyncio.open_connection(sock=connection, limit=_LIMIT)
        return cls(reader, writer, int.from_bytes(peer[:4], "little"))

    async def receive(self) -> tuple[int, bytes]:
        """The next frame as (kind, payload); a cancelled call loses nothing.

        Raises:
            ConnectionError, IncompleteReadError: the monitor has closed.
            WireError: what came is not this protocol.
        """
        if self._header is None:
            self._header = wire.parse_header(await self._reader.readexactly(wire.HEADER.size))
        length, kind = self._header
        payload = await self._reader.readexactly(length)
        self._header = None
        return kind, payload

    async def send(self, data: bytes) -> None:
        """Send frames and wait while the monitor is behind. Raises ConnectionError."""
        self._writer.write(data)
        await self._writer.drain()

    async def call(self, message: Message, *, plan: Any = None) -> Message:
        """One request on a connection that carries nothing else yet; raises EngineError."""
        head = b"" if plan is None else wire.plan(plan)
        try:
            async with asyncio.timeout(REQUEST_BOUND):
                await self.send(head + wire.control({"id": 0, **message}))
                while True:
                    kind, payload = await self.receive()
                    if kind == wire.CONTROL:
                        return result(wire.parse_control(payload))
        except _GONE as error:
            raise errors.NotRunning("the container's monitor is gone") from error
        except TimeoutError as error:
            raise _no_answer(message) from error

    def abandon(self) -> None:
        """Close now, without waiting."""
        self._writer.close()

    async def close(self) -> None:
        """Close and wait until it is."""
        self._writer.close()
        with suppress(ConnectionError):  # the monitor may close first
            await self._writer.wait_closed()


def _no_answer(message: Message) -> errors.RuntimeFailure:
    return errors.RuntimeFailure(
        f"the monitor did not answer {message['verb']} within {REQUEST_BOUND:.0f} s"
    )


class ControlConnection:
    """Requests that may overlap, and the events between their answers.

    Args:
        on_event: called in the loop with each event.
        on_close: called once when the monitor has closed, after the last event.
        asked: whether a request with number 1 is on its way; `answer` waits for it.
    """

    def __init__(
        self,
        streams: Streams,
        on_event: Callable[[Message], None],
        on_close: Callable[[], None],
        *,
        asked: bool = False,
    ) -> None:
        self._streams = streams
        self._on_event = on_event
        self._on_close = on_close
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._number = 0
        if asked:
            self._expect()
        self._task = asyncio.create_task(self._read(), name="monitor connection")

    def _expect(self) -> int:
        self._number += 1
        answer = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        return self._number

    async def request(self, verb: str, **arguments: Any) -> Message:
        """One request and its answer; raises the EngineError it failed with."""
        if self._task.done():
            raise errors.NotRunning("the container's monitor is gone")
        number = self._expect()
        message = {"id": number, "verb": verb, **arguments}
        return await self.answer(number, message)

    async def answer(self, number: int, message: Message, *, sent: bool = False) -> Message:
        """The answer to the request `message`, which may have been sent before."""
        try:
            async with asyncio.timeout(REQUEST_BOUND):
                if not sent:
                    await self._streams.send(wire.control(message))
                return result(await self._waiting[number])
        except ConnectionError as error:
            raise errors.NotRunning("the container's monitor is gone") from error
        except TimeoutError as error:
            raise _no_answer(message) from error
        finally:
            del self._waiting[number]

    async def close(self) -> None:
        """Leave the monitor alone with its container."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._streams.close()

    async def _read(self) -> None:
        try:
            while True:
                kind, payload = await self._streams.receive()
                if kind == wire.CONTROL:
                    self._take(wire.parse_control(payload))
        except _GONE:
            self._lost()

    def _take(self, message: Message) -> None:
        if "event" in message:
            self._on_event(message)
            return
        waiting = self._waiting.get(message["id"])
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    def _lost(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionResetError("monitor closed"))
        self._streams.abandon()
        self._on_close()
