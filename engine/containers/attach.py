"""attach: the streams of a container, from before its start or from now on."""

import asyncio
import time
from collections.abc import AsyncIterator

from engine.containers.context import Context
from engine.containers.live import Live
from engine.containers.logs import logs
from engine.containers.model import AttachOptions, LogEntry, LogOptions, Status
from engine.containers.ports import Monitor, Stream
from engine.errors import Conflict


async def attach(context: Context, live: Live, options: AttachOptions) -> Stream:
    """See `Containers.attach`."""
    _check(live, options)
    past = _past(context, live, options)
    if not options.stream:
        return Replay(past, None)
    stream = await _stream(live, options)
    context.publish(live, "attach")
    return Replay(past, stream) if options.logs else stream


async def _stream(live: Live, options: AttachOptions) -> Stream:
    monitor = live.monitor
    if monitor is not None and live.running:
        return await _connect(monitor, live, options)
    pending = PendingStream(live, options)
    live.pending.append(pending)
    return pending


async def _connect(monitor: Monitor, live: Live, options: AttachOptions) -> Stream:
    stdin = options.stdin and live.record.config.open_stdin
    return await monitor.attach(stdin=stdin, stdout=options.stdout, stderr=options.stderr)


def _check(live: Live, options: AttachOptions) -> None:
    if not options.stream:
        return
    if live.status is Status.PAUSED:
        raise Conflict(f"container {live.id} is paused, unpause the container before attach")
    if live.status is Status.RESTARTING:
        raise Conflict(f"container {live.id} is restarting, wait until the container is running")
    if live.status in (Status.REMOVING, Status.DEAD):
        raise Conflict(f"container {live.id} is marked for removal and cannot be attached to")


def _past(context: Context, live: Live, options: AttachOptions) -> AsyncIterator[LogEntry]:
    """What is in the log by now; read lazily, but bounded by this moment."""
    wanted = LogOptions(
        stdout=options.stdout and options.logs,
        stderr=options.stderr and options.logs,
        until_ns=time.time_ns(),
    )
    return logs(context, live, wanted)


class PendingStream:
    """Attached before there is a process: reads and writes wait for the start.

    `connect` and `abandon` are the engine's side; the rest is what a client sees.
    """

    def __init__(self, live: Live, options: AttachOptions) -> None:
        self._live = live
        self._options = options
        self._stream: asyncio.Future[Stream | None] = asyncio.get_running_loop().create_future()

    async def connect(self, monitor: Monitor) -> None:
        """Attach to a process that is about to start."""
        stream = await _connect(monitor, self._live, self._options)
        if self._stream.done():
            await stream.close()  # the client left while we were connecting
        else:
            self._stream.set_result(stream)

    def abandon(self) -> None:
        """There will be no process: the client sees the end."""
        if not self._stream.done():
            self._stream.set_result(None)

    async def read(self) -> tuple[int, bytes] | None:
        stream = await asyncio.shield(self._stream)
        return None if stream is None else await stream.read()

    async def write(self, data: bytes) -> None:
        stream = await asyncio.shield(self._stream)
        if stream is not None:
            await stream.write(data)

    async def write_eof(self) -> None:
        stream = await asyncio.shield(self._stream)
        if stream is not None:
            await stream.write_eof()

    async def close(self) -> None:
        if self in self._live.pending:
            self._live.pending.remove(self)
        self.abandon()
        stream = await self._stream
        if stream is not None:
            await stream.close()


class Replay:
    """The log up to now, then the live stream if there is one."""

    def __init__(self, past: AsyncIterator[LogEntry], stream: Stream | None) -> None:
        self._past: AsyncIterator[LogEntry] | None = past
        self._stream = stream

    async def read(self) -> tuple[int, bytes] | None:
        if self._past is not None:
            async for entry in self._past:
                return entry.stream, entry.data
            self._past = None
        return None if self._stream is None else await self._stream.read()

    async def write(self, data: bytes) -> None:
        if self._stream is not None:
            await self._stream.write(data)

    async def write_eof(self) -> None:
        if self._stream is not None:
            await self._stream.write_eof()

    async def close(self) -> None:
        if self._stream is not None:
            await self._stream.close()
