"""Chunks from the event loop as a blocking stream for a thread, with a bound on what waits."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from engine.errors import Unavailable
from engine.snapshots.whole import whole

_HIGH, _LOW = 8 << 20, 2 << 20  # bytes waiting: stop taking more, take more again
_T = TypeVar("_T")


class Feed:
    """Written in the loop, read in one thread. An error on either side ends the other."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        self._room = asyncio.Event()
        self._room.set()
        self._waiting: deque[bytes] = deque()
        self._offset = 0  # bytes of the first chunk that were read already
        self._size = 0
        self._ended = False
        self._error: BaseException | None = None

    async def write(self, chunk: bytes) -> None:
        await self._room.wait()
        with self._changed:
            self._waiting.append(chunk)
            self._size += len(chunk)
            if self._size >= _HIGH:
                self._room.clear()
            self._changed.notify()

    def end(self, error: BaseException | None = None) -> None:
        """No more will come; with an error the reader fails with it after what is waiting."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify()

    def read(self, size: int) -> bytes:
        """In the thread. Up to `size` bytes; empty at the end."""
        with self._changed:
            while not self._waiting and not self._ended:
                self._changed.wait()
            if not self._waiting:
                if self._error is not None:
                    raise self._error
                return b""
            piece = self._take(size)
            if self._size <= _LOW and not self._room.is_set():
                self._loop.call_soon_threadsafe(self._room.set)
        return piece

    def close(self) -> None:
        """The reader is done; the writer is not kept waiting."""
        self._loop.call_soon_threadsafe(self._room.set)

    def _take(self, size: int) -> bytes:
        chunk = self._waiting[0]
        piece = chunk[self._offset : self._offset + size]
        self._offset += len(piece)
        if self._offset == len(chunk):
            self._waiting.popleft()
            self._offset = 0
        self._size -= len(piece)
        return piece


async def consume(chunks: AsyncIterator[bytes], work: Callable[[Feed], _T]) -> _T:
    """Run `work(stream)` in a thread while the chunks come; its result, or either side's error.

    When `work` ends early the rest of the chunks is not asked for. When this is cancelled, `work`
    sees Unavailable at its next read, and is waited for.
    """
    feed = Feed()
    working = asyncio.ensure_future(asyncio.to_thread(work, feed))
    pumping = asyncio.ensure_future(_pump(chunks, feed))
    try:
        await asyncio.wait({working, pumping}, return_when=asyncio.FIRST_COMPLETED)
        return await asyncio.shield(working)
    finally:
        pumping.cancel()
        feed.end(Unavailable("the upload was broken off"))
        await whole(asyncio.gather(working, pumping, return_exceptions=True))


async def _pump(chunks: AsyncIterator[bytes], feed: Feed) -> None:
    try:
        async for chunk in chunks:
            if chunk:
                await feed.write(chunk)
    except asyncio.CancelledError:
        raise
    except Exception as error:  # noqa: BLE001  # handed to the reader, who raises it
        feed.end(error)
    else:
        feed.end()
