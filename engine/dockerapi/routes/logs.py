"""Logs, in frames unless the container has a terminal."""

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

# Lines already read are sent together up to this many bytes; a follower gets each at once.
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
        await _send(response, entries, lines, batch=0 if options.follow else BATCH)
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


async def _send(
    response: web.StreamResponse, entries: AsyncIterator[LogEntry], lines: _Lines, batch: int
) -> None:
    buffer = bytearray()
    async for entry in entries:
        buffer += lines.dress(entry)
        if len(buffer) > batch:
            await response.write(bytes(buffer))
            buffer.clear()
    if buffer:
        await response.write(bytes(buffer))


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
