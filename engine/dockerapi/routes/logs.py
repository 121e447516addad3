"""Logs, in frames unless the container has a terminal."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from engine.containers.model import LogEntry, LogOptions
from engine.dockerapi.call import Call
from engine.dockerapi.codec.times import log_stamp, parse
from engine.dockerapi.frames import frame, media_type
from engine.dockerapi.replies import HEADERS
from engine.dockerapi.rooms import Containers
from engine.dockerapi.router import Router
from engine.errors import InvalidArgument

# What a client may be behind, in bytes, before its log is no longer read.
BATCH = 64 * 1024


class LogRoutes:
    """`/containers/{id}/logs`."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers

    def register(self, router: Router) -> None:
        router.add("GET", "/containers/{id}/logs", self.logs, streams=True)

    async def logs(self, call: Call) -> web.StreamResponse:
        container = self._containers.get(call.args["id"])
        options = _options(call)
        entries = self._containers.logs(container.id, options)
        tty = container.config.tty
        response = web.StreamResponse(headers=HEADERS)
        response.content_type = media_type(tty, call.version)
        await response.prepare(call.request)
        lines = _Lines(tty, stamps=call.flag("timestamps"), details=call.flag("details"))
        await _send(response, entries, lines)
        return response


class _Lines:
    """Dresses entries: the time before each line's beginning, frames where there are streams."""

    def __init__(self, tty: bool, *, stamps: bool, details: bool) -> None:
        self._tty = tty
        self._stamps = stamps
        self._details = details
        self._unfinished: set[int] = set()

    def dress(self, entry: LogEntry) -> bytes:
        data = self._prefix(entry) + entry.data
        if entry.data.endswith(b"\n"):
            self._unfinished.discard(entry.stream)
        else:
            self._unfinished.add(entry.stream)
        return data if self._tty else frame(entry.stream, data)

    def _prefix(self, entry: LogEntry) -> bytes:
        if entry.stream in self._unfinished:
            return b""
        stamp = f"{log_stamp(entry.time_ns)} ".encode() if self._stamps else b""
        # Details are what a log driver adds; this one adds nothing, and its place is a blank.
        return stamp + (b" " if self._details else b"")


class _Outbox:
    """Gathers lines while they come without a pause; sends them when they pause or are many."""

    def __init__(self, response: web.StreamResponse) -> None:
        self._response = response
        self._waiting = bytearray()
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._closed = False

    async def put(self, data: bytes) -> None:
        """Returns at once unless the client is behind by a batch."""
        self._waiting += data
        self._filled.set()
        if len(self._waiting) > BATCH:
            self._emptied.clear()
            await self._emptied.wait()

    def close(self) -> None:
        """No more will be put; `run` ends when all is sent."""
        self._closed = True
        self._filled.set()

    async def run(self) -> None:
        try:
            while self._waiting or not self._closed:
                await self._filled.wait()
                self._filled.clear()
                await self._flush()
        finally:
            self._emptied.set()  # whoever waits for a client that is gone need not wait

    async def _flush(self) -> None:
        data = bytes(self._waiting)
        self._waiting.clear()
        if data:
            await self._response.write(data)
        self._emptied.set()


async def _send(
    response: web.StreamResponse, entries: AsyncIterator[LogEntry], lines: _Lines
) -> None:
    outbox = _Outbox(response)
    sender = asyncio.create_task(outbox.run())
    try:
        async for entry in entries:
            if sender.done():
                break
            await outbox.put(lines.dress(entry))
        outbox.close()
        await sender
    finally:
        sender.cancel()


def _options(call: Call) -> LogOptions:
    stdout, stderr = call.flag("stdout"), call.flag("stderr")
    if not (stdout or stderr):
        raise InvalidArgument("Bad parameters: you must choose at least one stream")
    return LogOptions(
        stdout=stdout,
        stderr=stderr,
        follow=call.flag("follow"),
        tail=_tail(call),
        since_ns=parse("since", call.text("since")),
        until_ns=parse("until", call.text("until")),
    )


def _tail(call: Call) -> int | None:
    if call.text("tail") in {"", "all"}:
        return None
    lines = call.integer("tail")
    return lines if lines is not None and lines >= 0 else None
