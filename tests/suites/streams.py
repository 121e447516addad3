"""A process's pipes or terminal, read by the test's own loop: log, and whoever is attached."""

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

_READ = 1 << 16


class Stream:
    """See `engine.runtime.launcher.AttachedStream`."""

    def __init__(self, output: "Output", wanted: set[int], *, ends_input: bool) -> None:
        self._output = output
        self._ends_input = ends_input
        self._pieces: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self.wanted = wanted

    def put(self, piece: tuple[int, bytes] | None) -> None:
        self._pieces.put_nowait(piece)

    async def read(self) -> tuple[int, bytes] | None:
        return await self._pieces.get()

    async def write(self, data: bytes) -> None:
        await self._output.write(data)

    async def write_eof(self) -> None:
        if self._ends_input:
            self._output.close_input()

    async def close(self) -> None:
        self._output.detach(self)
        if self._ends_input:
            self._output.close_input()


class Output:
    """Reads until the end or until told that nobody writes any more."""

    def __init__(self, sources: Sequence[tuple[int, int]], stdin: int, log: Path | None) -> None:
        self._open = {fd: number for number, fd in sources}
        self._stdin = stdin
        self._log = log
        self._attached: list[Stream] = []
        self._loop = asyncio.get_running_loop()
        for fd in self._open:
            os.set_blocking(fd, False)
            self._loop.add_reader(fd, self._read, fd)
        if stdin >= 0:
            os.set_blocking(stdin, False)

    def attach(self, wanted: set[int], *, ends_input: bool) -> Stream:
        stream = Stream(self, wanted, ends_input=ends_input)
        self._attached.append(stream)
        if not self._open:
            stream.put(None)
        return stream

    def detach(self, stream: Stream) -> None:
        if stream in self._attached:
            self._attached.remove(stream)

    async def write(self, data: bytes) -> None:
        while data and self._stdin >= 0:
            try:
                data = data[os.write(self._stdin, data) :]
            except BlockingIOError:
                await asyncio.sleep(0.01)
            except BrokenPipeError:
                return

    def close_input(self) -> None:
        """A terminal's is its output, too, and stays."""
        if self._stdin >= 0 and self._stdin not in self._open:
            os.close(self._stdin)
        self._stdin = -1

    def drain(self) -> None:
        """Read what is left after the process's end, then close."""
        for fd in list(self._open):
            while self._read(fd):
                pass
        self.close()

    def close(self) -> None:
        for fd in list(self._open):
            self._end(fd)
        self.close_input()

    def _read(self, fd: int) -> bool:
        try:
            data = os.read(fd, _READ)
        except BlockingIOError:
            return False
        except OSError:
            data = b""  # a terminal whose last user has gone
        if not data:
            self._end(fd)
            return False
        self._record(self._open[fd], data)
        for stream in self._attached:
            if self._open[fd] in stream.wanted:
                stream.put((self._open[fd], data))
        return True

    def _end(self, fd: int) -> None:
        if self._stdin == fd:
            self._stdin = -1
        self._loop.remove_reader(fd)
        os.close(fd)
        del self._open[fd]
        if not self._open:
            for stream in self._attached:
                stream.put(None)

    def _record(self, number: int, data: bytes) -> None:
        if self._log is None:
            return
        name = ("stdout", "stderr")[number - 1]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        lines = data.split(b"\n")
        records = [f"{now} {name} F ".encode() + line for line in lines[:-1]]
        if lines[-1]:
            records.append(f"{now} {name} P ".encode() + lines[-1])
        with self._log.open("ab") as file:
            file.write(b"".join(record + b"\n" for record in records))
