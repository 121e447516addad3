"""The engine's log stream to lines: Docker's 8-byte frames, or raw bytes of a terminal."""

import re
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

from tui.clients.docker.values import timestamp
from tui.clients.errors import ServerFault
from tui.models import LogLine

FRAME = struct.Struct(">BxxxI")
MAX_FRAME = 1 << 26
MAX_LINE = 1 << 20
"""A line without an end is cut here and marked partial, so that memory stays bounded."""
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d\d:\d\d) ")
_STREAMS = {0: "stdout", 1: "stdout", 2: "stderr"}


class LineSplitter:
    """Bytes of one stream to lines; what has no end yet is kept."""

    def __init__(self, stream: str, *, timestamps: bool) -> None:
        self._stream = stream
        self._timestamps = timestamps
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[LogLine]:
        """The lines that ``data`` completes.

        dockerd stamps every 16 KiB piece of a long line; only the first stamp is the line's.
        """
        if self._timestamps and self._pending:
            data = _STAMP.sub(b"", data, count=1) if _STAMP.match(data) else data
        *whole, rest = data.split(b"\n")
        for piece in whole:
            self._pending += piece
            yield self._take(partial=False)
        self._pending += rest
        if len(self._pending) > MAX_LINE:
            yield self._take(partial=True)

    def finish(self) -> Iterator[LogLine]:
        """The unfinished last line, if there is one."""
        if self._pending:
            yield self._take(partial=True)

    def _take(self, *, partial: bool) -> LogLine:
        line = bytes(self._pending).decode("utf-8", "replace").removesuffix("\r")
        self._pending.clear()
        moment = None
        if self._timestamps:
            stamp, _, rest = line.partition(" ")
            moment = timestamp(stamp)
            line = line if moment is None else rest
        return LogLine(line, self._stream, moment, partial)


async def framed_lines(
    chunks: AsyncIterator[bytes], *, timestamps: bool
) -> AsyncGenerator[LogLine, None]:
    """Lines of a multiplexed stream, in the order the engine sent them.

    Raises:
        ServerFault: when the bytes are no frames.
    """
    splitters = {name: LineSplitter(name, timestamps=timestamps) for name in ("stdout", "stderr")}
    async for kind, payload in frames(chunks):
        for line in splitters[_STREAMS[kind]].feed(payload):
            yield line
    for splitter in splitters.values():
        for line in splitter.finish():
            yield line


async def frames(chunks: AsyncIterator[bytes]) -> AsyncGenerator[tuple[int, bytes], None]:
    """(kind, payload) of each complete frame; a frame cut by the end of the stream is dropped."""
    pending = bytearray()
    async for chunk in chunks:
        pending += chunk
        start = 0
        while len(pending) - start >= FRAME.size:
            kind, size = FRAME.unpack_from(pending, start)
            if kind not in _STREAMS or size > MAX_FRAME:
                raise ServerFault(f"not a log frame: kind {kind}, {size} bytes")
            end = start + FRAME.size + size
            if len(pending) < end:
                break
            yield kind, bytes(pending[start + FRAME.size : end])
            start = end
        del pending[:start]


async def raw_lines(
    chunks: AsyncIterator[bytes], *, timestamps: bool
) -> AsyncGenerator[LogLine, None]:
    """Lines of a terminal's stream."""
    splitter = LineSplitter("stdout", timestamps=timestamps)
    async for chunk in chunks:
        for line in splitter.feed(chunk):
            yield line
    for line in splitter.finish():
        yield line
