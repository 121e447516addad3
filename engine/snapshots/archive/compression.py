"""Decompression by magic bytes, streaming: never more than a piece in memory, bombs included."""

import bz2
import io
import lzma
import zlib
from typing import IO, Any, cast

import zstandard
from isal import igzip

from engine.errors import UnsafeArchive
from engine.snapshots.snapshotter import ByteReader

GZIP, ZSTD, BZIP2, XZ = "gzip", "zstd", "bzip2", "xz"
_MAGIC = {b"\x1f\x8b": GZIP, b"\x28\xb5\x2f\xfd": ZSTD, b"BZh": BZIP2, b"\xfd7zXZ\x00": XZ}
_MAGIC_LENGTH = 6
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"  # after 0x50 to 0x5f (RFC 8878, 3.1.2)
_ZSTD_PIECE = 1 << 10  # bytes; the worst of them unpack to 32 MiB
_ZSTD_WINDOW = 1 << 27  # what the zstd program takes without --long
_BROKEN = (EOFError, lzma.LZMAError, zlib.error, igzip.BadGzipFile, zstandard.ZstdError)


def compression(head: bytes) -> str | None:
    """The compression that the first six bytes name; None for plain data."""
    if (
        head[1:4] == _ZSTD_SKIPPABLE and head[0] >> 4 == 5
    ):  # pzstd begins with a frame that only says how long the next is
        return ZSTD
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


class Decompressed:
    """A stream without its compression, whatever that was; `name` says which, None for none.

    `read` raises UnsafeArchive when the compressed data are damaged or cut short.
    """

    def __init__(self, stream: ByteReader) -> None:
        self._raw = Prefixed(stream)
        self.name = compression(self._raw.peek(_MAGIC_LENGTH))
        self._reader = self._open()

    def read(self, size: int) -> bytes:
        try:
            return self._reader.read(size)
        except _BROKEN as error:
            raise UnsafeArchive(f"damaged {self.name} data: {error}") from None
        except OSError as error:
            if type(error) is OSError and error.errno is None:  # how bz2 says it
                raise UnsafeArchive(f"damaged {self.name} data: {error}") from None
            raise

    def close(self) -> None:
        self._raw.close()

    def _open(self) -> ByteReader:
        raw = cast(IO[bytes], self._raw)
        if self.name == GZIP:
            return cast(ByteReader, igzip.open(raw, "rb"))  # type: ignore[no-untyped-call]
        if self.name == BZIP2:
            return bz2.BZ2File(raw)
        if self.name == XZ:
            return lzma.LZMAFile(raw)
        if self.name == ZSTD:
            return _Zstd(self._raw)
        return self._raw


class _Zstd:
    """Frame after frame. zstandard's own reader takes a cut frame for the end of the data."""

    def __init__(self, stream: ByteReader) -> None:
        self._stream = stream
        self._frame: Any = None
        self._packed = b""
        self._plain = b""

    def read(self, size: int) -> bytes:
        while not self._plain:
            packed = self._packed or self._stream.read(_ZSTD_PIECE)
            if not packed:
                if self._frame is not None:
                    raise EOFError("the data end in the middle of a frame")
                return b""
            self._decompress(packed)
        piece, self._plain = self._plain[:size], self._plain[size:]
        return piece

    def close(self) -> None:
        self._stream.close()

    def _decompress(self, packed: bytes) -> None:
        if self._frame is None:
            plain = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
            self._frame = plain.decompressobj()
        self._plain = self._frame.decompress(packed)
        self._packed = b""
        if self._frame.eof:
            self._packed, self._frame = self._frame.unused_data, None


class Prefixed(io.RawIOBase):
    """A stream whose beginning can be looked at first; closing it closes the stream."""

    def __init__(self, stream: ByteReader) -> None:
        self._stream = stream
        self._head = b""

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the end of the stream; they are read again later."""
        while len(self._head) < size and (more := self._stream.read(size - len(self._head))):
            self._head += more
        return self._head[:size]

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._stream.read(size)
        piece, self._head = self._head[:size], self._head[size:]
        return piece

    def readinto(self, buffer: Any) -> int:
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
