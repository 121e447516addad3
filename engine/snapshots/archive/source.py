"""Buffered reading of a stream in large pieces, handed out without copying."""

from engine.errors import UnsafeArchive
from engine.snapshots.archive.header import BLOCK
from engine.snapshots.snapshotter import ByteReader

_PIECE = 1 << 20


class Source:
    """Keeps one piece of at most a mebibyte; views into it stay valid until the next call."""

    def __init__(self, stream: ByteReader) -> None:
        self._stream = stream
        self._buffer = b""
        self._position = 0

    def block(self) -> bytes | None:
        """The next 512 bytes; None at the clean end of the stream."""
        start = self._position
        if len(self._buffer) - start >= BLOCK:
            self._position = start + BLOCK
            return self._buffer[start : start + BLOCK]
        if not self._buffered() and not self._fill():
            return None
        return self.exactly(BLOCK)

    def exactly(self, count: int) -> bytes:
        """`count` bytes; for small structures only. Raises UnsafeArchive at an early end."""
        parts: list[bytes] = []
        while count:
            piece = bytes(self.some(count))
            parts.append(piece)
            count -= len(piece)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def some(self, limit: int) -> memoryview:
        """Between 1 and `limit` bytes. Raises UnsafeArchive at the end of the stream."""
        if not self._buffered() and not self._fill():
            raise UnsafeArchive("the archive is cut short")
        start = self._position
        self._position = min(start + limit, len(self._buffer))
        return memoryview(self._buffer)[start : self._position]

    def any(self) -> bool:
        """Drop what is buffered and read on; False at the end."""
        return self._fill()

    def _buffered(self) -> int:
        return len(self._buffer) - self._position

    def _fill(self) -> bool:
        self._buffer, self._position = self._stream.read(_PIECE), 0
        return bool(self._buffer)
