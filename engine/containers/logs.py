"""logs: a container's CRI log files as entries, from the end backwards or followed as they grow."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path

from engine.containers.context import Context
from engine.containers.live import Live
from engine.containers.logfile import Tailer, read_log
from engine.containers.logline import Joiner
from engine.containers.model import LogEntry, LogOptions

POLL = 0.05
"""Seconds between looks at a log that is followed."""
_BATCH = 512


async def logs(context: Context, live: Live, options: LogOptions) -> AsyncIterator[LogEntry]:
    """See `Containers.logs`. Reading happens in a thread, a batch at a time."""
    path = context.paths.log(live.id)
    wanted = _Wanted(options)
    if not options.follow:
        past = read_log(
            path, tail=options.tail, since_ns=options.since_ns, until_ns=options.until_ns
        )
        async for entry in _batches(past):
            if wanted.has(entry):
                yield entry
        return
    async for entry in _follow(live, path, options):
        if options.until_ns and entry.time_ns > options.until_ns:
            return
        if wanted.has(entry):
            yield entry


class _Wanted:
    """The streams and the time a client asked for."""

    def __init__(self, options: LogOptions) -> None:
        self._streams = {number for number, on in ((1, options.stdout), (2, options.stderr)) if on}
        self._since_ns = options.since_ns

    def has(self, entry: LogEntry) -> bool:
        return entry.stream in self._streams and entry.time_ns >= self._since_ns


async def _batches(entries: Iterator[LogEntry]) -> AsyncIterator[LogEntry]:
    while batch := await asyncio.to_thread(lambda: list(islice(entries, _BATCH))):
        for entry in batch:
            yield entry


async def _follow(live: Live, path: Path, options: LogOptions) -> AsyncIterator[LogEntry]:
    """Everything from the tail on, until the container has ended and all was sent."""
    joiner = Joiner()
    with Tailer(path, tail=options.tail, since_ns=options.since_ns) as tailer:
        while True:
            ended = not live.alive  # asked before the read: what was written by then is read
            lines = await asyncio.to_thread(tailer.read)
            for line in lines:
                for entry in joiner.feed(line):
                    yield entry
            if lines:
                continue
            if ended or _is_past(options):
                break
            await asyncio.sleep(POLL)
    for entry in joiner.flush():
        yield entry


def _is_past(options: LogOptions) -> bool:
    return bool(options.until_ns) and time.time_ns() > options.until_ns
