"""Processes that an engine before this one has started, and how their end is noticed."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

from engine import errors
from engine.runtime import signals, state

TOLD_BOUND = 2.0
"""Seconds between the end of a process that was executed and its monitor's word of it."""


class _Ended:
    """The stream of a process that was found: its client went with the engine that had it."""

    async def read(self) -> tuple[int, bytes] | None:
        return None

    async def write(self, data: bytes) -> None:
        """There is nobody to write for."""

    async def write_eof(self) -> None:
        """There is nothing to end."""

    async def close(self) -> None:
        """There is nothing to close."""


class FoundExec:
    """A process that an engine before this one had executed in a container.

    Its monitor tells its end. One that ended while there was no engine may have been told to
    nobody; then its code is not known.
    """

    def __init__(
        self,
        request: Callable[..., Awaitable[Any]],
        exec_id: str,
        pid: int,
        pid_start: int,
        code: "asyncio.Future[int]",
    ) -> None:
        self.id = exec_id
        self.pid = pid
        self.stream = _Ended()
        self._pid_start = pid_start
        self._request = request
        self._code = code

    async def resize(self, height: int, width: int) -> None:
        await self._request("resize-exec", exec=self.id, height=height, width=width)

    async def kill(self, signal: int) -> None:
        await self._request("kill-exec", exec=self.id, signal=int(signal))

    async def wait(self) -> int:
        """The exit code, 128+signal when signalled; MonitorLost when nobody can tell."""
        process = self._open()
        try:
            if process is not None:
                await ended(process, self._code)
            async with asyncio.timeout(TOLD_BOUND):
                return await asyncio.shield(self._code)
        except TimeoutError as error:
            raise errors.MonitorLost("it ended while no engine looked") from error
        finally:
            if process is not None:
                os.close(process)

    def _open(self) -> int | None:
        """Its descriptor; None when it has ended."""
        process = open_process(self.pid) if self._pid_start else None
        if process is not None and state.start_time(self.pid) != self._pid_start:
            os.close(process)
            return None
        return process


def open_process(pid: int) -> int | None:
    try:
        return signals.pidfd_open(pid)
    except ProcessLookupError:
        return None


async def ended(process: int, other: "asyncio.Future[Any] | None" = None) -> None:
    """Wait until the process of a descriptor has ended, or something else has happened."""
    loop = asyncio.get_running_loop()
    gone: asyncio.Future[None] = loop.create_future()
    loop.add_reader(process, _resolve, gone)
    try:
        await asyncio.wait({gone, *filter(None, (other,))}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        loop.remove_reader(process)


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
