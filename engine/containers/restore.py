"""restore: take up what an engine before this one left, without letting one loss stop the rest."""

import asyncio
import dataclasses
import json
import logging
from contextlib import suppress
from pathlib import Path

from engine.containers import exec, exits, health, restart_policy
from engine.containers.codec import Damaged, decode
from engine.containers.context import Context
from engine.containers.launch import begun, follow, listen
from engine.containers.live import Live
from engine.containers.model import Container, Status
from engine.containers.ports import Monitor
from engine.containers.remove import remove
from engine.errors import Conflict, EngineError, Unavailable
from engine.runtime import state
from engine.runtime.bundle import STATE
from engine.runtime.launcher import read_exit_record

log = logging.getLogger(__name__)

BUDGET = 15.0
"""Seconds for finding all monitors; they are asked at the same time."""
AGAIN = 5.0
"""Seconds until a monitor that did not answer is asked again."""

FAILURES = (EngineError, OSError, LookupError, TypeError, ValueError)
"""What a monitor can make of a restore: it may answer late, not at all, or as another berth's."""

LOST = "the container's monitor is gone and left no exit record: its exit code is not known"


async def restore(context: Context) -> None:
    """See `Containers.restore`."""
    for line in context.database.warnings:
        context.warn(line)
    context.database.warnings.clear()
    _load(context)
    _recover(context)
    _load_execs(context)
    async with asyncio.TaskGroup() as group:
        for live in context.registry:
            group.create_task(_restore(context, live))
        for bundle in _strangers(context):
            group.create_task(_look_at(context, bundle))


def _load(context: Context) -> None:
    """Every record that can be read; the others are set aside and named."""
    for key, document in context.table.items():
        try:
            _add(context, decode(Container, document), key)
        except (Damaged, Conflict) as error:
            _set_aside(context, key, str(error))
    for line in context.database.warnings:
        context.warn(line)
    context.database.warnings.clear()


def _load_execs(context: Context) -> None:
    context.execs.load()
    for container_id in list(context.execs.containers()):
        if context.registry.get(container_id) is None:
            context.execs.forget(container_id)


def _set_aside(context: Context, key: str, why: str) -> None:
    try:
        context.table.set_aside(key, why)
    except Unavailable as error:  # it is met, and named, again at the next start
        context.warn(f"damaged record {key} is passed over ({why}), and stays: {error}")


def _recover(context: Context) -> None:
    """Containers whose record is lost, from the copy beside their log."""
    if not context.paths.containers.is_dir():
        return
    for home in sorted(context.paths.containers.iterdir()):
        if context.registry.get(home.name) is not None:
            continue
        try:
            _recover_one(context, home.name)
        except (EngineError, OSError) as error:
            context.warn(f"what is left of container {home.name} cannot be looked at: {error}")


def _recover_one(context: Context, key: str) -> None:
    if not (context.paths.record(key).exists() or context.paths.log(key).exists()):
        context.paths.discard(key)  # the engine ended within a create
        return
    try:
        document = json.loads(context.paths.record(key).read_text())
        live = _add(context, decode(Container, document), key)
    except (OSError, ValueError, Conflict) as error:
        aside = context.paths.set_aside(key)
        context.warn(f"container {key} has no usable record ({error}): see {aside}")
        return
    context.recovered.add(live.id)
    context.warn(f"container {live.name} ({live.id[:12]}) was recovered from its copy")
    context.save(live)


def _add(context: Context, record: Container, key: str) -> Live:
    if record.id != key:
        raise Damaged(f"the record's id is {record.id}, not {key}")
    live = Live(dataclasses.replace(record, exec_ids=()))
    context.registry.add(live)
    return live


async def _restore(context: Context, live: Live) -> None:
    """One container; what goes wrong is said, and is its own affair."""
    try:
        async with asyncio.timeout(BUDGET), live.lock:
            await take_up(context, live)
    except FAILURES as error:
        words = _words(error)
        context.warn(f"cannot restore container {live.name} ({live.id[:12]}): {words}")
        context.tasks.spawn(_try_again(context, live), f"restore {live.name}")


def _words(error: Exception) -> str:
    if isinstance(error, LookupError | TypeError | ValueError):
        return f"its monitor's answer is not understood ({error!r})"
    return str(error) or f"no answer within {BUDGET:g} s"


async def _try_again(context: Context, live: Live) -> None:
    """A monitor that was silent may only be slow: its container is not given up."""
    while True:
        await asyncio.sleep(AGAIN)
        async with live.lock:
            if live.monitor is not None or not _is_lost(context, live):
                return
            with suppress(*FAILURES):
                async with asyncio.timeout(BUDGET):
                    await take_up(context, live)
                log.info("container %s (%s) is restored", live.name, live.id[:12])
                return


def _is_lost(context: Context, live: Live) -> bool:
    """Whether there may be a process that we do not hold."""
    bundle = context.paths.bundle(live.id)
    return live.running or live.id in context.recovered or bundle.exists()


async def take_up(context: Context, live: Live) -> None:
    """Adopt its process, or record that there is none; the caller holds the lock.

    Raises:
        EngineError, OSError: nobody knows; what there is was left alone.
    """
    if live.status in (Status.REMOVING, Status.DEAD):
        _remove_later(context, live)
        return
    if _is_lost(context, live):
        bundle = context.paths.bundle(live.id)
        is_damaged = _is_damaged(bundle)
        monitor = await context.launcher.adopt(live.id, bundle)
        if is_damaged:
            fate = "is ended" if monitor is None else "goes on"
            context.warn(
                f"container {live.name} ({live.id[:12]}): its bundle {bundle} is damaged: what "
                f"ran in it {fate}"
            )
        if monitor is not None and monitor.status == state.Status.RUNNING:
            _adopt(context, live, monitor)
            exec.restore(context, live)
            return
        if monitor is not None:
            await monitor.delete()  # it was never started, or has ended and waits to be told so
        _record_end(context, live)
    exec.restore(context, live)
    _apply_policies(context, live)


def _is_damaged(bundle: Path) -> bool:
    """A state that is there and cannot be understood: only its socket leads to its monitor."""
    return (bundle / STATE).exists() and state.read(str(bundle)) is None


def _adopt(context: Context, live: Live, monitor: Monitor) -> None:
    check = live.record.config.healthcheck
    if live.running:
        changes = {"health": live.record.state.health or health.initial(check)}
    else:  # the engine ended before it could write the start down
        changes = begun(check)
    status = Status.PAUSED if live.status is Status.PAUSED else Status.RUNNING
    context.change_state(live, **{**changes, "status": status, "pid": monitor.pid})
    listen(context, live, monitor)
    follow(context, live, monitor)
    health.begin(context, live)


def _record_end(context: Context, live: Live) -> None:
    """It ended while no engine looked; one that was only created did not run at all.

    An exit that is in the record already is not told, and not counted, twice.
    """
    outcome = read_exit_record(context.paths.exit(live.id))
    if outcome is not None and outcome.finished_at != live.record.state.finished_at:
        exits.finish(context, live, outcome)
    elif live.running:
        exits.finish_lost(context, live, LOST)
        context.warn(f"container {live.name} ({live.id[:12]}): {LOST}")


def _apply_policies(context: Context, live: Live) -> None:
    if live.status is Status.RESTARTING:
        restart_policy.schedule(context, live)
    elif live.record.host_config.auto_remove:
        _remove_later(context, live)
    elif restart_policy.applies_at_start(live):
        context.change_state(live, status=Status.RESTARTING, stopped_by_user=False)
        restart_policy.schedule(context, live)


def _remove_later(context: Context, live: Live) -> None:
    """Finish a removal that was begun: the lock is ours until we return."""
    context.change_state(live, status=Status.DEAD)
    context.tasks.spawn(_remove(context, live), f"remove {live.name}")


async def _remove(context: Context, live: Live) -> None:
    with suppress(Conflict):  # somebody has asked for it meanwhile
        await remove(context, live, force=True)


def _strangers(context: Context) -> list[Path]:
    """Bundles of no container we know."""
    if not context.paths.bundles.is_dir():
        return []
    found = context.paths.bundles.iterdir()
    return [bundle for bundle in found if context.registry.get(bundle.name) is None]


async def _look_at(context: Context, bundle: Path) -> None:
    """Have the launcher clear away what is dead; what still runs is named and left alone."""
    try:
        async with asyncio.timeout(BUDGET):
            monitor = await context.launcher.adopt(bundle.name, bundle)
    except FAILURES as error:
        context.warn(f"bundle {bundle} belongs to no container and cannot be read: {_words(error)}")
        return
    if monitor is not None:
        context.warn(
            f"bundle {bundle} belongs to no container; its process {monitor.pid} is left running"
        )
