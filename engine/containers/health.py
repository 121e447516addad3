"""Health checks: run HEALTHCHECK in the container and keep the verdict.

Follows moby's daemon/health.go: during the start period failures do not count, and the interval
may be shorter until the first success.
"""

import asyncio
import signal
import time
from contextlib import suppress

from engine.containers.context import Context
from engine.containers.live import Live
from engine.containers.model import (
    Container,
    ExecConfig,
    Health,
    Healthcheck,
    HealthLog,
    Status,
)
from engine.containers.names import new_id
from engine.containers.ports import ExecSession, Monitor, Stream
from engine.containers.spec.process import exec_process
from engine.containers.spec.rootfs import Rootfs
from engine.containers.spec.users import resolve
from engine.errors import EngineError, NotRunning

INTERVAL = TIMEOUT = 30.0
START_INTERVAL = 5.0
RETRIES = 3
OUTPUT = 4096
KEPT = 5

STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"


def is_enabled(check: Healthcheck | None) -> bool:
    return check is not None and bool(check.test) and check.test[0] != "NONE"


def initial(check: Healthcheck | None) -> Health | None:
    return Health(STARTING) if is_enabled(check) else None


def begin(context: Context, live: Live) -> None:
    """Check a container that runs now until it ends."""
    check = live.record.config.healthcheck
    if check is not None and is_enabled(check) and live.monitor is not None:
        work = _check_on(context, live, live.monitor, check)
        live.health = context.tasks.spawn(work, f"health of {live.name}")


async def _check_on(context: Context, live: Live, monitor: Monitor, check: Healthcheck) -> None:
    while live.monitor is monitor:
        await asyncio.sleep(_interval(live, check))
        if live.status is not Status.RUNNING or live.monitor is not monitor:
            continue  # a paused container cannot answer
        entry = await _probe(live.record, monitor, check)
        if live.monitor is monitor and live.running:
            record(context, live, entry, check)


def _interval(live: Live, check: Healthcheck) -> float:
    """Seconds until the next probe."""
    if _is_starting(live, check, time.time_ns()):
        return check.start_interval / 1e9 or START_INTERVAL
    return check.interval / 1e9 or INTERVAL


def _is_starting(live: Live, check: Healthcheck, now: int) -> bool:
    health = live.record.state.health
    within = now - live.record.state.started_at < check.start_period
    return within and health is not None and health.status == STARTING


def record(context: Context, live: Live, entry: HealthLog, check: Healthcheck) -> None:
    """Take one result in; says so when the verdict changes."""
    before = live.record.state.health or Health(STARTING)
    after = judge(before, entry, check, starting=_is_starting(live, check, entry.started_at))
    context.change_state(live, health=after)
    if after.status != before.status:
        context.publish(live, f"health_status: {after.status}")


def judge(before: Health, entry: HealthLog, check: Healthcheck, *, starting: bool) -> Health:
    """The health after one more result."""
    log = (*before.log, entry)[-KEPT:]
    if entry.exit_code == 0:
        return Health(HEALTHY, 0, log)
    if starting:
        return Health(before.status, before.failing_streak, log)
    streak = before.failing_streak + 1
    failed = streak >= (check.retries or RETRIES)
    return Health(UNHEALTHY if failed else before.status, streak, log)


async def _probe(container: Container, monitor: Monitor, check: Healthcheck) -> HealthLog:
    started_at = time.time_ns()
    seconds = check.timeout / 1e9 or TIMEOUT
    try:
        code, output = await _run(container, monitor, check, seconds)
    except (EngineError, OSError) as error:
        code, output = -1, str(error)
    return HealthLog(started_at, time.time_ns(), code, output)


async def _run(
    container: Container, monitor: Monitor, check: Healthcheck, seconds: float
) -> tuple[int, str]:
    config = ExecConfig(cmd=command(container, check))
    rootfs = Rootfs.of_process(monitor.pid)
    user = await asyncio.to_thread(resolve, rootfs, container.config.user)
    process = exec_process(container, config, user)
    session = await monitor.exec(new_id(), process, stdin=False)
    output = bytearray()
    try:
        async with asyncio.timeout(seconds):
            await _drain(session.stream, output)
            code = await session.wait()
    except TimeoutError:
        await _end(session)
        return -1, f"Health check exceeded timeout ({seconds:g}s)"
    finally:
        await session.stream.close()
    return code, output.decode(errors="replace")


def command(container: Container, check: Healthcheck) -> tuple[str, ...]:
    """What a test runs: the words of CMD, or CMD-SHELL's line in the image's shell."""
    kind, *words = check.test
    if kind == "CMD":
        return tuple(words)
    return (*(container.config.shell or ("/bin/sh", "-c")), *words)


async def _drain(stream: Stream, output: bytearray) -> None:
    """Keep the beginning, read everything: a full pipe would stop the probe."""
    while (piece := await stream.read()) is not None:
        output += piece[1][: OUTPUT - len(output)]


async def _end(session: ExecSession) -> None:
    with suppress(NotRunning):  # it ended just after the time was over
        await session.kill(int(signal.SIGKILL))
