"""The engine's handle on one monitor, on its streams and on its exec sessions."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import errors
from engine.runtime import late, plan, state, wire
from engine.runtime.cleanup import discard
from engine.runtime.connection import ControlConnection, Message, Streams, connect
from engine.runtime.found import FoundExec, ended, open_process

GONE_BOUND = 12.0
"""Seconds a monitor may take to clean up and end: its linger, and killing what was left."""

UNTAKEN = 256
"""Exit codes kept of processes that nobody has asked for yet: an engine that has just begun may."""

START: Message = {"id": 1, "verb": "start"}
"""The request that may come with a `create`."""

_STREAMS = {wire.STDOUT: 1, wire.STDERR: 2}


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """How a container ended. Times are ns since the epoch; `code` is 128+signal when signalled."""

    code: int
    signal: int | None
    oom_killed: bool
    started_at: int
    finished_at: int


def read_exit_record(path: Path) -> ExitRecord | None:
    """What the monitor left at `exit_path`; None when there is no (readable) record."""
    record = state.read_exit(str(path))
    return None if record is None else _exit_record(record)


def _exit_record(record: Message) -> ExitRecord | None:
    try:
        return ExitRecord(
            code=int(record["code"]),
            signal=record["signal"],
            oom_killed=bool(record["oom_killed"]),
            started_at=int(record["started_at"]),
            finished_at=int(record["finished_at"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


class AttachedStream:
    """One attached session; `read` gives (1 stdout or 2 stderr, data) and None at the end."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._closed = False

    async def read(self) -> tuple[int, bytes] | None:
        """The next piece of output; None when there will be no more."""
        while not self._closed:
            try:
                kind, payload = await self._streams.receive()
            except (ConnectionError, asyncio.IncompleteReadError, wire.WireError):
                return None
            if kind in _STREAMS:
                return _STREAMS[kind], payload
        return None

    async def write(self, data: bytes) -> None:
        """Send to stdin, waiting as long as the program does not take it; dropped at the end."""
        await self._send(wire.frame(wire.STDIN, data))

    async def write_eof(self) -> None:
        """End stdin, where the container ends it with its first client."""
        await self._send(wire.frame(wire.STDIN_EOF, b""))

    async def _send(self, data: bytes) -> None:
        if self._closed:
            return
        with suppress(ConnectionError):  # it has ended: the reader sees the end of the output
            await self._streams.send(data)

    async def close(self) -> None:
        """Detach; the process goes on."""
        if not self._closed:
            self._closed = True
            await self._streams.close()


class ExecSession:
    """A process beside the container's first."""

    def __init__(
        self,
        monitor: "Monitor",
        exec_id: str,
        pid: int,
        stream: AttachedStream,
        code: "asyncio.Future[int]",
    ) -> None:
        self.id = exec_id
        self.pid = pid
        self.stream = stream
        self._monitor = monitor
        self._code = code

    async def resize(self, height: int, width: int) -> None:
        await self._monitor.request("resize-exec", exec=self.id, height=height, width=width)

    async def kill(self, signal: int) -> None:
        await self._monitor.request("kill-exec", exec=self.id, signal=int(signal))

    async def wait(self) -> int:
        """The exit code, 128+signal when signalled; MonitorLost when nobody can tell."""
        return await asyncio.shield(self._code)


class Monitor:
    """What the engine can ask of one container. Made by the launcher."""

    def __init__(
        self,
        bundle: Path,
        streams: Streams,
        description: Message,
        *,
        config: late.Config,
        forget: "Callable[[Monitor], None]",
        starting: bool = False,
    ) -> None:
        self.id = str(description["id"])
        self.pid = int(description["pid"])
        self.monitor_pid = int(description["monitor_pid"])
        self.status = str(description["status"])
        self.cgroup = str(description["cgroup"])
        self.warnings = tuple(str(warning) for warning in description["warnings"])
        self._bundle = bundle
        self._config = config
        self._forget = forget
        self._exit_path = Path(description["exit_path"])
        self._process = open_process(self.monitor_pid)
        self._callbacks: list[Callable[[str], None]] = []
        self._execs: dict[str, asyncio.Future[int]] = {}
        self._untaken: dict[str, int] = {}
        self._ended: asyncio.Future[ExitRecord] = asyncio.get_running_loop().create_future()
        self._ended.add_done_callback(_seen)
        self._deleted = False
        self._starting = starting
        self._control = ControlConnection(streams, self._event, self._closed, asked=starting)
        if description.get("exit") is not None:
            self._exited(description["exit"])

    # --- requests -------------------------------------------------------------------------------

    async def request(self, verb: str, **arguments: Any) -> Message:
        return await self._control.request(verb, **arguments)

    async def start(self) -> None:
        """Release the exec; raises CommandNotFound, CommandNotExecutable or RuntimeFailure."""
        if self._starting:
            self._starting = False
            await self._control.answer(1, START, sent=True)
        else:
            await self.request("start")
        if "hooks" in self._config:
            said = (self._config, self.id, self.pid, str(self._bundle))
            self.warnings += tuple(await asyncio.to_thread(late.poststart, *said))

    async def kill(self, signal: int) -> None:
        """Signal the container's first process; NotRunning when it is gone."""
        if self._ended.done():
            raise errors.NotRunning(f"container {self.id} is not running")
        await self.request("kill", signal=int(signal))

    async def pause(self) -> None:
        await self.request("pause")

    async def resume(self) -> None:
        await self.request("resume")

    async def resize(self, height: int, width: int) -> None:
        """Set the terminal's size in characters; without a terminal nothing happens."""
        await self.request("resize", height=height, width=width)

    async def update(self, resources: dict[str, Any]) -> list[str]:
        """Change limits (OCI `linux.resources`); returns warnings."""
        return list((await self.request("update", resources=resources))["warnings"])

    async def attach(self, *, stdin: bool, stdout: bool, stderr: bool) -> AttachedStream:
        """A connection of its own to the container's streams, from now on."""
        streams = await self._connect()
        wanted = [number for number, on in ((1, stdout), (2, stderr)) if on]
        return await _attached(streams, {"verb": "attach", "streams": wanted, "stdin": stdin})

    async def exec(self, exec_id: str, process: dict[str, Any], *, stdin: bool) -> ExecSession:
        """Run an OCI `process` in the container; raises as `start` does.

        The streams end when the process and what it left behind have closed them, at the latest
        two seconds after it exited.
        """
        compiled = plan.compile_exec(
            process, config=self._config, container_id=self.id, bundle=str(self._bundle)
        ).to_wire()
        streams = await self._connect()
        code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        code.add_done_callback(_seen)
        self._execs[exec_id] = code
        try:
            message = {"verb": "exec", "exec": exec_id, "stdin": stdin}
            answer = await _called(streams, message, compiled)
        except BaseException:
            self._execs.pop(exec_id, None)
            raise
        return ExecSession(self, exec_id, int(answer["pid"]), AttachedStream(streams), code)

    def find_exec(self, exec_id: str, pid: int, pid_start: int) -> FoundExec:
        """A process that was executed by way of another handle, by id and by pid."""
        code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        code.add_done_callback(_seen)
        self._execs[exec_id] = code
        if exec_id in self._untaken:
            self._exec_ended(exec_id, self._untaken.pop(exec_id))
        elif self._ended.done():
            code.set_exception(errors.MonitorLost(f"container {self.id} has ended"))
        return FoundExec(self.request, exec_id, pid, pid_start, code)

    async def _connect(self) -> Streams:
        if self._ended.done():
            raise errors.NotRunning(f"container {self.id} is not running")
        try:
            return await connect(str(self._bundle))
        except OSError as error:
            raise errors.NotRunning(f"the monitor of container {self.id} is gone") from error

    # --- the end --------------------------------------------------------------------------------

    async def wait(self) -> ExitRecord:
        """How the container ended. Raises MonitorLost when nobody knows: never a code of 0."""
        return await asyncio.shield(self._ended)

    def on_event(self, callback: Callable[[str], None]) -> None:
        """Have `callback("oom")` and `callback("exit")` called in the loop."""
        self._callbacks.append(callback)

    async def delete(self) -> None:
        """Remove what is left of a container that has ended or was never started; idempotent."""
        if self._deleted:
            return
        if not self._ended.done():
            await self._delete_created()
        await self._gone()
        await asyncio.to_thread(discard, self.id, str(self._bundle), self.cgroup)
        await self.close()
        self._deleted = True

    async def _delete_created(self) -> None:
        with suppress(errors.NotRunning):  # it ended in between, which is what we want
            await self.request("delete")

    async def _gone(self) -> None:
        """Wait until the monitor process has ended; `discard` kills one that does not."""
        if self._process is None:
            return
        with suppress(TimeoutError):  # stuck: discard takes it from here
            async with asyncio.timeout(GONE_BOUND):
                await ended(self._process)

    async def close(self) -> None:
        """Let go of the monitor, which goes on with its container."""
        self._forget(self)
        await self._control.close()
        if self._process is not None:
            os.close(self._process)
            self._process = None

    # --- what the monitor says ------------------------------------------------------------------

    def _event(self, message: Message) -> None:
        name = message["event"]
        if name == "exec-exit":
            self._exec_ended(str(message["exec"]), int(message["code"]))
        elif name == "exit":
            self._exited(message["record"])
        else:
            self._tell(name)

    def _exec_ended(self, exec_id: str, code: int) -> None:
        waiting = self._execs.pop(exec_id, None)
        if waiting is None:
            self._untaken[exec_id] = code
            while len(self._untaken) > UNTAKEN:
                del self._untaken[next(iter(self._untaken))]
        elif not waiting.done():
            waiting.set_result(code)

    def _exited(self, record: Message) -> None:
        exit_record = _exit_record(record)
        if exit_record is not None and not self._ended.done():
            self._ended.set_result(exit_record)
            self._tell("exit")

    def _closed(self) -> None:
        """The connection ended: after an exit that is the end, before it the monitor was lost."""
        lost = errors.MonitorLost(f"the monitor of container {self.id} is gone")
        for waiting in self._execs.values():
            if not waiting.done():
                waiting.set_exception(lost)
        self._execs.clear()
        if self._ended.done():
            return
        record = read_exit_record(self._exit_path)
        if record is not None:
            self._ended.set_result(record)
        else:
            self._ended.set_exception(lost)
        self._tell("exit")

    def _tell(self, event: str) -> None:
        for callback in list(self._callbacks):
            try:
                callback(event)
            except Exception as error:  # noqa: BLE001 (its fault must not end the connection)
                _report(callback, error)


def _report(callback: Callable[[str], None], error: Exception) -> None:
    said = {"message": f"{callback!r} failed on a monitor's event", "exception": error}
    asyncio.get_running_loop().call_exception_handler(said)


async def _called(streams: Streams, message: Message, compiled: Any = None) -> Message:
    try:
        return await streams.call(message, plan=compiled)
    except BaseException:
        streams.abandon()
        raise


async def _attached(streams: Streams, message: Message) -> AttachedStream:
    await _called(streams, message)
    return AttachedStream(streams)


def _seen(future: "asyncio.Future[Any]") -> None:
    """An outcome nobody waits for is no error."""
    if not future.cancelled():
        future.exception()
