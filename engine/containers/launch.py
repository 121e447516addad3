"""From a record to a running process, and back to nothing when a step fails.

Order: snapshot, spec, monitor with its init blocked before exec, pending attaches, exec. So no
output is missed, and a failure at any step leaves no bundle, cgroup or mount.
"""

import asyncio
import logging
import time
from contextlib import suppress
from functools import partial
from signal import SIGKILL
from typing import Any

from engine.containers import exits, health
from engine.containers.context import Context
from engine.containers.live import Live
from engine.containers.model import Healthcheck, Status
from engine.containers.ports import Monitor
from engine.containers.rotation import rotation
from engine.containers.spec.build import Builder
from engine.errors import (
    CommandNotExecutable,
    CommandNotFound,
    EngineError,
    NotRunning,
    RuntimeFailure,
)
from engine.runtime.launcher import CreateOptions

log = logging.getLogger(__name__)

NOT_FOUND, NOT_EXECUTABLE, FAILED = 127, 126, 128
UNDO = 10.0
"""Seconds a killed process may take to be gone."""


async def launch(context: Context, live: Live) -> None:
    """Start a container that has no process; the caller holds its lock.

    Raises:
        CommandNotFound, CommandNotExecutable: about the program.
        EngineError: about anything else; state.error and the exit code say it as well.
    """
    try:
        monitor = await _start(context, live)
    except EngineError as error:
        _record_failure(context, live, error)
        raise
    except OSError as error:
        failure = RuntimeFailure(f"cannot start container {live.name}: {error}")
        _record_failure(context, live, failure)
        raise failure from error
    _record_start(context, live, monitor)


async def _start(context: Context, live: Live) -> Monitor:
    monitor: Monitor | None = None
    try:
        monitor = await _create(context, live)
        listen(context, live, monitor)
        await _connect(live, monitor)
        await monitor.start()
        with suppress(NotRunning):  # it has ended already: who came so late sees just that
            await _connect(live, monitor)
    except BaseException:
        _abandon(live)
        if monitor is not None:
            await asyncio.shield(_undo(monitor))
        raise
    _abandon(live)
    return monitor


async def _connect(live: Live, monitor: Monitor) -> None:
    """Attach whoever waits for a process, also those who come while others are attached."""
    while live.pending:
        pending = live.pending[0]
        await pending.connect(monitor)
        if pending in live.pending:  # else its client has left meanwhile
            live.pending.remove(pending)


async def _undo(monitor: Monitor) -> None:
    """A start that was cancelled may have come through: then there is a process to end."""
    with suppress(EngineError, TimeoutError):
        await monitor.kill(int(SIGKILL))
        await asyncio.wait_for(monitor.wait(), UNDO)
    await monitor.delete()


async def _create(context: Context, live: Live) -> Monitor:
    record, paths = live.record, context.paths
    mounts = await context.images.prepare(live.id, record.image_id)
    parent = context.cgroup_parent_of(live)
    builder = Builder(paths, parent, context.cgroup_driver)
    config = await asyncio.to_thread(builder.build, record, mounts)
    paths.exit(live.id).unlink(missing_ok=True)
    max_bytes, max_files = rotation(record.host_config.log_config)
    lasting = not record.host_config.auto_remove  # its files go with it
    async with context.images.shown(live.id, lasting=lasting) as shown:
        options = CreateOptions(
            bundle=paths.bundle(live.id),
            config=config,
            rootfs_mounts=shown,
            log_path=paths.log(live.id),
            exit_path=paths.exit(live.id),
            log_max_bytes=max_bytes,
            log_max_files=max_files,
            open_stdin=record.config.open_stdin,
            stdin_once=record.config.stdin_once,
            cgroup_parent=parent,
            start=not live.pending,  # whoever is attached before misses nothing of the output
        )
        monitor = await context.launcher.create(live.id, options)
    for warning in monitor.warnings:
        log.warning("container %s: %s", live.name, warning)
    return monitor


def _abandon(live: Live) -> None:
    """Whoever attached before a start that failed sees the end of the stream."""
    for pending in live.pending:
        pending.abandon()
    live.pending.clear()


def _record_start(context: Context, live: Live, monitor: Monitor) -> None:
    follow(context, live, monitor)
    changes = begun(live.record.config.healthcheck)
    context.change_state(live, **changes, status=Status.RUNNING, pid=monitor.pid)
    context.publish(live, "start")
    health.begin(context, live)


def begun(check: Healthcheck | None) -> dict[str, Any]:
    """What every run begins with; of the last one nothing but its end is remembered."""
    return {
        "exit_code": 0,
        "error": "",
        "oom_killed": False,
        "started_at": time.time_ns(),
        "stopped_by_user": False,
        "health": health.initial(check),
    }


def follow(context: Context, live: Live, monitor: Monitor) -> None:
    """Take a running monitor as the container's: measure it, and act when it ends."""
    live.monitor = monitor
    if context.sampler is not None:
        context.sampler.track(live.id, monitor.cgroup, monitor.pid, live.name)
    watching = exits.watch(context, live, monitor)
    live.watcher = context.tasks.spawn(watching, f"watch {live.name}")


def listen(context: Context, live: Live, monitor: Monitor) -> None:
    """Pass on what the monitor tells; from before the start, for what happens at once."""
    monitor.on_event(partial(_on_event, context, live))


def _on_event(context: Context, live: Live, event: str) -> None:
    if event == "oom":
        context.publish(live, "oom")


def _record_failure(context: Context, live: Live, error: EngineError) -> None:
    """As Docker: never run stays created, everything else is exited; both say why."""
    ran = live.record.state.finished_at or live.record.state.started_at
    context.change_state(
        live,
        status=Status.EXITED if ran else Status.CREATED,
        pid=0,
        exit_code=_code(error),
        error=str(error),
    )


def _code(error: EngineError) -> int:
    codes = {CommandNotFound: NOT_FOUND, CommandNotExecutable: NOT_EXECUTABLE}
    return next((code for kind, code in codes.items() if isinstance(error, kind)), FAILED)
