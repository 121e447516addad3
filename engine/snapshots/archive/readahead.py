"""Read, decompress and hash in a thread of its own, while the caller writes files."""

import hashlib
import queue
import threading
from types import TracebackType

from engine.oci.digest import Digest
from engine.snapshots.snapshotter import ByteReader

_PIECE = 1 << 20
_DEPTH = 4
_POLL = 0.2  # seconds between looks at whether the consumer has gone


class Readahead:
    """A stream read at most four mebibytes ahead; `digest` covers all that was handed out.

    The thread ends with the stream or with `close`; its errors are raised by `read`.
    """

    def __init__(self, stream: ByteReader) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self._pieces: queue.Queue[bytes | BaseException] = queue.Queue(_DEPTH)
        self._closed = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="berth-readahead", daemon=True)
        self._thread.start()

    def read(self, _size: int = _PIECE) -> bytes:
        """The next piece, at most a mebibyte whatever is asked; empty at the end."""
        if self._ended:
            return b""
        piece = self._pieces.get()
        if isinstance(piece, BaseException):
            self._ended = True
            raise piece
        self._ended = not piece
        return piece

    @property
    def digest(self) -> Digest:
        """sha256 of the whole stream; to be asked only after `read` returned nothing."""
        return Digest("sha256:" + self._hash.hexdigest())

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._stream.close()

    def __enter__(self) -> "Readahead":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            while piece := self._stream.read(_PIECE):
                self._hash.update(piece)
                if not self._put(piece):
                    return
            self._put(b"")
        except BaseException as error:  # noqa: BLE001  # raised again where the data are used
            self._put(error)

    def _put(self, piece: bytes | BaseException) -> bool:
        """False when nobody will read it."""
        while not self._closed.is_set():
            try:
                self._pieces.put(piece, timeout=_POLL)
            except queue.Full:
                continue
            return True
        return False
