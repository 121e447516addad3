"""A launcher without isolation: containers are ordinary host processes in a session of their own.

It keeps what the engine relies on: blocked until started, a CRI log and an exit record on disk
before the exit is told, streams for any number of clients, and monitors that outlive the engine.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import CommandNotExecutable, CommandNotFound, Conflict, NotRunning
from engine.runtime.launcher import CreateOptions, ExitRecord


class FakeLauncher:
    """Hand the same `processes` to the next one to play an engine that was restarted."""

    def __init__(self, processes: "dict[str, FakeMonitor]") -> None:
        self._processes = processes

    async def start(self) -> None:
        return None

    async def close(self) -> None:
        for monitor in self._processes.values():
            monitor.callbacks.clear()

    async def create(self, container_id: str, options: CreateOptions) -> "FakeMonitor":
        if container_id in self._processes:
            raise Conflict(f"bundle {options.bundle} is in use")
        options.bundle.mkdir(parents=True)
        monitor = FakeMonitor(container_id, options, self._processes)
        self._processes[container_id] = monitor
        return monitor

    async def adopt(self, container_id: str, bundle: Path) -> "FakeMonitor | None":
        monitor = self._processes.get(container_id)
        if monitor is None:
            shutil.rmtree(bundle, ignore_errors=True)
        return monitor

    async def discard(self, container_id: str, bundle: Path) -> None:
        monitor = self._processes.get(container_id)
        if monitor is not None:
            await monitor.vanish()
            await monitor.delete()


class FakeStream:
    def __init__(self, output: "Fan") -> None:
        self.queue: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self._fan = output
        self._stdin: asyncio.StreamWriter | None = None
        self._ready = asyncio.Event()
        output.join(self)

    def attach_stdin(self, stdin: asyncio.StreamWriter | None) -> None:
        self._stdin = stdin
        self._ready.set()

    async def read(self) -> tuple[int, bytes] | None:
        piece = await self.queue.get()
        if piece is None:
            self.queue.put_nowait(None)
        return piece

    async def write(self, data: bytes) -> None:
        await self._ready.wait()
        if self._stdin is not None and not self._stdin.is_closing():
            self._stdin.write(data)
            await self._stdin.drain()

    async def write_eof(self) -> None:
        await self._ready.wait()
        if self._stdin is not None:
            self._stdin.close()

    async def close(self) -> None:
        self.queue.put_nowait(None)
        self._fan.leave(self)


class Fan:
    """Output to every client that wants it, and the end to all."""

    def __init__(self) -> None:
        self._streams: list[FakeStream] = []
        self._ended = False

    def join(self, stream: FakeStream) -> None:
        self._streams.append(stream)
        if self._ended:
            stream.queue.put_nowait(None)

    def leave(self, stream: FakeStream) -> None:
        if stream in self._streams:
            self._streams.remove(stream)

    def put(self, number: int, data: bytes) -> None:
        for stream in self._streams:
            stream.queue.put_nowait((number, data))

    def end(self) -> None:
        self._ended = True
        for stream in self._streams:
            stream.queue.put_nowait(None)


async def _spawn(process: dict[str, Any], *, stdin: bool) -> asyncio.subprocess.Process:
    args, env = process["args"], dict(e.partition("=")[::2] for e in process["env"])
    path = shutil.which(args[0], path=env.get("PATH"))
    if path is None:
        if os.path.exists(args[0]):
            raise CommandNotExecutable(f'exec: "{args[0]}": permission denied')
        raise CommandNotFound(f'exec: "{args[0]}": executable file not found in $PATH')
    return await asyncio.create_subprocess_exec(
        *args,
        env=env,
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _code(status: int) -> int:
    return 128 - status if status < 0 else status


def _end_session(pid: int) -> None:
    """What the end of a pid namespace does to everything in it."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


class FakeMonitor:
    def __init__(
        self, container_id: str, options: CreateOptions, processes: "dict[str, FakeMonitor]"
    ) -> None:
        self.id = container_id
        self.pid = 0
        self.status = "created"
        self.warnings: tuple[str, ...] = ()
        self.cgroup = f"{options.cgroup_parent}/{container_id}"
        self.callbacks: list[Callable[[str], None]] = []
        self._options = options
        self._processes = processes
        self._fan = Fan()
        self._process: asyncio.subprocess.Process | None = None
        self._running: asyncio.Task[None] | None = None
        self._exit: asyncio.Future[ExitRecord] = asyncio.get_running_loop().create_future()
        self._early: list[FakeStream] = []
        self._execs: dict[str, FakeExec] = {}
        self._is_gone = False

    async def start(self) -> None:
        config = self._options.config["process"]
        self._process = await _spawn(config, stdin=self._options.open_stdin)
        self.pid, self.status = self._process.pid, "running"
        for stream in self._early:
            stream.attach_stdin(self._process.stdin)
        self._running = asyncio.create_task(self._run(self._process, time.time_ns()))

    async def _run(self, process: asyncio.subprocess.Process, started_at: int) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        with self._options.log_path.open("ab", buffering=0) as log:
            pumps = [
                asyncio.create_task(self._pump(1, process.stdout, log)),
                asyncio.create_task(self._pump(2, process.stderr, log)),
            ]
            status = await process.wait()
            _end_session(process.pid)
            await asyncio.gather(*pumps)
        if not self._is_gone:
            self._finish(status, started_at)

    def _finish(self, status: int, started_at: int) -> None:
        record = ExitRecord(_code(status), -status or None, False, started_at, time.time_ns())
        if status >= 0:
            record = ExitRecord(status, None, False, started_at, time.time_ns())
        fields = {name: getattr(record, name) for name in ExitRecord.__slots__}
        self._options.exit_path.write_text(json.dumps(fields))
        self.status = "stopped"
        self._exit.set_result(record)
        self._fan.end()
        for callback in self.callbacks:
            callback("exit")

    async def _pump(self, number: int, reader: asyncio.StreamReader, log: Any) -> None:
        name = {1: "stdout", 2: "stderr"}[number]
        while data := await reader.read(65536):
            stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
            for line in data.splitlines(keepends=True):
                tag = "F" if line.endswith(b"\n") else "P"
                log.write(f"{stamp} {name} {tag} ".encode() + line.rstrip(b"\n") + b"\n")
            self._fan.put(number, data)

    async def kill(self, signal: int) -> None:
        if self._process is None or self._process.returncode is not None:
            raise NotRunning(f"container {self.id} is not running")
        if signal == 9:
            _end_session(self.pid)
        else:
            os.kill(self.pid, signal)

    async def pause(self) -> None:
        os.killpg(self.pid, signal.SIGSTOP)

    async def resume(self) -> None:
        if self._process is not None and self._process.returncode is None:
            os.killpg(self.pid, signal.SIGCONT)

    async def resize(self, height: int, width: int) -> None:
        return None

    async def attach(self, *, stdin: bool, stdout: bool, stderr: bool) -> FakeStream:
        stream = FakeStream(self._fan)
        if self._process is None:
            self._early.append(stream)
        else:
            stream.attach_stdin(self._process.stdin if stdin else None)
        return stream

    async def exec(self, exec_id: str, process: dict[str, Any], *, stdin: bool) -> "FakeExec":
        made = FakeExec(await _spawn(process, stdin=stdin))
        self._execs[exec_id] = made
        return made

    def find_exec(self, exec_id: str, pid: int, pid_start: int) -> "FakeExec":
        return self._execs[exec_id]

    async def update(self, resources: dict[str, Any]) -> list[str]:
        return []

    async def wait(self) -> ExitRecord:
        return await asyncio.shield(self._exit)

    async def vanish(self) -> None:
        """End with everything, and without a word."""
        self._is_gone = True
        _end_session(self.pid)
        for session in self._execs.values():
            _end_session(session.pid)
            await session.wait()
        if self._running is not None:
            await self._running

    async def delete(self) -> None:
        if self._running is not None:
            await self._running
        self._fan.end()
        shutil.rmtree(self._options.bundle, ignore_errors=True)
        self._processes.pop(self.id, None)

    def on_event(self, callback: Callable[[str], None]) -> None:
        self.callbacks.append(callback)


class FakeExec:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._process = process
        self._fan = Fan()
        self.stream = FakeStream(self._fan)
        self.stream.attach_stdin(process.stdin)
        self._task = asyncio.create_task(self._pump())

    async def _pump(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        out = asyncio.create_task(self._forward(1, self._process.stdout))
        await self._forward(2, self._process.stderr)
        await out
        self._fan.end()

    async def _forward(self, number: int, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65536):
            self._fan.put(number, data)

    async def resize(self, height: int, width: int) -> None:
        return None

    async def kill(self, signal: int) -> None:
        _end_session(self.pid)

    async def wait(self) -> int:
        return _code(await self._process.wait())
