"""exec: further processes in a running container."""

import asyncio
import dataclasses
import logging
import time

from engine.containers.context import Context
from engine.containers.live import Live
from engine.containers.model import Exec, ExecConfig, Status
from engine.containers.names import new_id
from engine.containers.ports import ExecSession, Monitor, Stream
from engine.containers.resize import check as check_size
from engine.containers.sessions import Session
from engine.containers.spec.process import exec_process
from engine.containers.spec.rootfs import Rootfs
from engine.containers.spec.users import resolve
from engine.containers.validate import text
from engine.errors import (
    CommandNotExecutable,
    CommandNotFound,
    Conflict,
    EngineError,
    InvalidArgument,
    MonitorLost,
    NotRunning,
)
from engine.runtime.state import start_time

log = logging.getLogger(__name__)

_CODES = {CommandNotFound: 127, CommandNotExecutable: 126}
_FAILED, _UNKNOWN = 126, 255
_LOST = "it ended with the container while no engine looked: its exit code is not known"
_KNOWN = 10.0
"""Seconds a process that has closed its streams is waited for: it may go on without them."""


def create(context: Context, live: Live, config: ExecConfig) -> str:
    """See `Containers.exec_create`."""
    if not config.cmd or not config.cmd[0]:
        raise InvalidArgument("No exec command specified")
    _check_config(config)
    _monitor(live)
    session = Session(Exec(new_id(), live.id, config))
    context.execs.add(session)
    _refresh(context, live)
    context.publish(live, f"exec_create: {_words(config)}", execID=session.record.id)
    return session.record.id


async def start(
    context: Context, exec_id: str, *, detach: bool, tty_size: tuple[int, int] | None
) -> Stream | None:
    """See `Containers.exec_start`."""
    session = context.execs.find(exec_id)
    live = context.registry.find(session.record.container_id)
    if session.started:
        state = "is already running" if session.process else "has already run"
        raise Conflict(f"Error: Exec command {exec_id} {state}")
    monitor = _monitor(live)
    session.started = True
    try:
        process = await _start(live, monitor, session)
    except (EngineError, asyncio.CancelledError) as error:
        _record_failure(context, live, session, error)
        raise
    _record_start(context, live, session, process)
    if tty_size is not None and session.record.config.tty and all(tty_size):
        await process.resize(*tty_size)
    if detach:
        await process.stream.close()
        return None
    return _Session(process.stream, session)


async def resize(context: Context, exec_id: str, height: int, width: int) -> None:
    """Raises NotRunning when there is no process."""
    session = context.execs.find(exec_id)
    check_size(height, width)
    if session.process is None:
        raise NotRunning(f"exec {exec_id} is not running")
    await session.process.resize(height, width)


async def _start(live: Live, monitor: Monitor, session: Session) -> ExecSession:
    config = session.record.config
    spec = config.user or live.record.config.user
    added = live.record.host_config.group_add
    rootfs = Rootfs.of_process(monitor.pid)
    try:
        user = await asyncio.to_thread(resolve, rootfs, spec, added)
    except OSError as error:
        raise NotRunning(f"container {live.id} is not running") from error
    process = exec_process(live.record, config, user)
    return await monitor.exec(session.record.id, process, stdin=config.attach_stdin)


def _record_start(context: Context, live: Live, session: Session, process: ExecSession) -> None:
    session.change(running=True, pid=process.pid)
    session.pid_start = start_time(process.pid) or 0
    context.execs.keep(session)
    _publish(context, live, session, "exec_start")
    _follow(context, live, session, process)


def _follow(context: Context, live: Live, session: Session, process: ExecSession) -> None:
    session.process = process
    watching = _watch(context, live, session, process)
    session.watcher = context.tasks.spawn(watching, f"exec {session.record.id[:12]}")


def restore(context: Context, live: Live) -> None:
    """Take up the sessions that an engine before this one started in a container.

    One whose end nobody saw has an exit code that is not known: 255, and never 0.
    """
    for session in context.execs.unfinished(live.id):
        if live.monitor is not None:
            process = live.monitor.find_exec(
                session.record.id, session.record.pid, session.pid_start
            )
            _follow(context, live, session, process)
        else:
            log.warning("exec %s in container %s: %s", session.record.id, live.name, _LOST)
            _record_end(context, live, session, _UNKNOWN)
    _refresh(context, live)


def _record_failure(context: Context, live: Live, session: Session, error: BaseException) -> None:
    _publish(context, live, session, "exec_start")
    code = next((c for kind, c in _CODES.items() if isinstance(error, kind)), _FAILED)
    _record_end(context, live, session, code)


async def _watch(context: Context, live: Live, session: Session, process: ExecSession) -> None:
    try:
        code = await process.wait()
    except MonitorLost as error:
        log.warning("exec %s in container %s: %s", session.record.id, live.name, error)
        code = _UNKNOWN
    _record_end(context, live, session, code)


def _record_end(context: Context, live: Live, session: Session, code: int) -> None:
    session.process = None
    session.finished_at = time.time_ns()
    session.change(running=False, exit_code=code)
    context.execs.keep(session)
    if context.registry.get(live.id) is live:
        _refresh(context, live)
    context.publish(live, "exec_die", execID=session.record.id, exitCode=str(code))


def _refresh(context: Context, live: Live) -> None:
    """Keep `inspect`'s list of sessions; not worth a write, they are kept themselves."""
    live.record = dataclasses.replace(live.record, exec_ids=context.execs.of(live.id))


def _publish(context: Context, live: Live, session: Session, action: str) -> None:
    words = _words(session.record.config)
    context.publish(live, f"{action}: {words}", execID=session.record.id)


def _monitor(live: Live) -> Monitor:
    if live.status is Status.PAUSED:
        raise Conflict(f"container {live.id} is paused, unpause the container before exec")
    if live.status is Status.RESTARTING:
        raise Conflict(f"container {live.id} is restarting, wait until the container is running")
    if live.monitor is None or not live.running:
        raise NotRunning(f"container {live.id} is not running")
    return live.monitor


def _check_config(config: ExecConfig) -> None:
    if config.working_dir and not config.working_dir.startswith("/"):
        raise InvalidArgument(f"Cwd must be an absolute path: {config.working_dir}")
    for entry in config.env:
        if not entry.partition("=")[0]:
            raise InvalidArgument(f"invalid environment variable: {entry!r}")
    text.check(config)


def _words(config: ExecConfig) -> str:
    return " ".join(config.cmd)


class _Session:
    """A session's stream at whose end the exit code is known: clients ask for it right then."""

    def __init__(self, stream: Stream, session: Session) -> None:
        self._stream = stream
        self._session = session

    async def read(self) -> tuple[int, bytes] | None:
        piece = await self._stream.read()
        if piece is None and self._session.watcher is not None:
            await asyncio.wait({self._session.watcher}, timeout=_KNOWN)
        return piece

    async def write(self, data: bytes) -> None:
        await self._stream.write(data)

    async def write_eof(self) -> None:
        await self._stream.write_eof()

    async def close(self) -> None:
        await self._stream.close()
