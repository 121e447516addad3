"""What comes in the middle of something else: nobody is forgotten, and nobody waits for ever."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.containers import restore
from engine.containers.attach import PendingStream
from engine.containers.filters import Filters
from engine.containers.model import AttachOptions, ExecConfig, HostConfig, RestartPolicy, Status
from engine.errors import Conflict, NotRunning, RuntimeFailure, Unavailable
from tests.suites.containers.world import BOUND, FOREVER, World, drain

ATTACH = AttachOptions(stdin=False, stdout=True, stderr=True, stream=True, logs=False)
SPEAKS = ("sh", "-c", "sleep 0.2; echo said")


class Latch:
    """Holds up whoever passes until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def hold(self, *_: object) -> None:
        self.reached.set()
        await self.opened.wait()


async def test_who_attaches_while_another_is_being_attached_sees_everything(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, latch = await world.create(*SPEAKS), Latch()
    first = await world.containers.attach(key, ATTACH)
    connect = PendingStream.connect

    async def slow(self: PendingStream, monitor: Any) -> None:
        await latch.hold()
        await connect(self, monitor)

    monkeypatch.setattr(PendingStream, "connect", slow)
    starting = asyncio.create_task(world.containers.start(key))
    await asyncio.wait_for(latch.reached.wait(), BOUND)
    second = await world.containers.attach(key, ATTACH)
    latch.opened.set()
    await asyncio.wait_for(starting, BOUND)
    assert await asyncio.gather(drain(first), drain(second)) == [b"said\n", b"said\n"]


async def test_who_attaches_while_it_is_released_sees_its_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, latch, create = await world.create(*SPEAKS), Latch(), world.launcher.create

    async def create_slow(*args: Any) -> Any:
        monitor: Any = await create(*args)
        start = monitor.start

        async def start_slow() -> None:
            await start()
            await latch.hold()

        monitor.start = start_slow
        return monitor

    monkeypatch.setattr(world.launcher, "create", create_slow)
    starting = asyncio.create_task(world.containers.start(key))
    await asyncio.wait_for(latch.reached.wait(), BOUND)
    late = await world.containers.attach(key, ATTACH)
    latch.opened.set()
    await asyncio.wait_for(starting, BOUND)
    assert await drain(late) in (b"said\n", b"")


async def test_a_removal_that_fails_is_told_to_those_who_wait_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = HostConfig(network_mode="none", auto_remove=True)
    key = await world.create("sh", "-c", "exit 3", host=host)
    removed = world.containers.wait(key, "removed")
    with monkeypatch.context() as patch:
        patch.setattr(world.images, "release", _refuse)
        await world.containers.start(key)
        result = await asyncio.wait_for(removed, BOUND)
    assert (result.code, "disk is broken" in result.error) == (3, True)
    assert world.containers.get(key).state.status is Status.DEAD


async def test_prune_goes_on_after_one_that_cannot_be_removed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = await world.create(name="bad"), await world.create(name="good")
    release = world.images.release

    async def refuse_one(key: str) -> None:
        await (_refuse(key) if key == bad else release(key))

    with monkeypatch.context() as patch:
        patch.setattr(world.images, "release", refuse_one)
        pruned = await world.containers.prune(Filters())
    assert pruned.ids == (good,)


async def test_a_container_that_is_being_removed_keeps_its_name(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, latch = await world.create(), Latch()
    with monkeypatch.context() as patch:
        patch.setattr(world.images, "release", latch.hold)
        removing = asyncio.create_task(world.containers.remove(key))
        await asyncio.wait_for(latch.reached.wait(), BOUND)
        with pytest.raises(Conflict, match="is marked for removal"):
            await world.containers.rename(key, "other")
        latch.opened.set()
        await asyncio.wait_for(removing, BOUND)


async def test_an_exec_whose_client_goes_before_it_runs_is_not_listed_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, latch = await world.run(), Latch()
    session = world.containers.exec_create(key, ExecConfig(cmd=("true",)))
    monkeypatch.setattr("engine.containers.exec._start", latch.hold)
    starting = asyncio.create_task(world.containers.exec_start(session))
    await asyncio.wait_for(latch.reached.wait(), BOUND)
    starting.cancel()
    await asyncio.wait({starting}, timeout=BOUND)
    assert world.containers.get(key).exec_ids == ()


async def test_a_kill_that_comes_a_moment_too_late_says_that_nothing_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, create = await world.create(*FOREVER), world.launcher.create

    async def create_deaf(*args: Any) -> Any:
        monitor: Any = await create(*args)
        kill = monitor.kill

        async def too_late(_: int) -> None:
            monitor.kill = kill
            raise NotRunning("the container's monitor is gone")

        monitor.kill = too_late
        return monitor

    monkeypatch.setattr(world.launcher, "create", create_deaf)
    await world.containers.start(key)
    with pytest.raises(NotRunning, match=f"cannot kill container: web: container {key} is not"):
        await world.containers.kill(key)


async def test_a_monitor_that_was_silent_is_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await world.run(*FOREVER)
    await world.close()
    monkeypatch.setattr(restore, "AGAIN", 0.2)
    answers = _silent_until(monkeypatch, world)
    containers = await world.open()
    with pytest.raises(Unavailable, match="does not answer"):
        await containers.kill(key)
    with pytest.raises(Unavailable, match="does not answer"):
        await containers.stop(key)
    answers.set()
    await asyncio.wait_for(_stopped(world, key), BOUND)
    assert containers.get(key).state.exit_code in (0, 137), "it may be quicker than the kill"


async def test_a_forced_removal_asks_a_monitor_that_was_silent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await world.run(*FOREVER)
    await world.close()
    monkeypatch.setattr(restore, "AGAIN", 10 * BOUND)
    answers = _silent_until(monkeypatch, world)
    containers = await world.open()
    answers.set()
    await containers.remove(key, force=True)
    assert containers.list(Filters(), all=True) == []


async def test_an_exit_that_is_known_is_not_told_again(world: World) -> None:
    policy = RestartPolicy("on-failure", 1)
    host = HostConfig(network_mode="none", restart_policy=policy)
    key = await world.run("sh", "-c", "exit 1", host=host)
    await world.until(lambda: _has_ended(world, key), "the last exit")
    await world.close()
    (world.directory / "run/bundles" / key).mkdir(parents=True, exist_ok=True)
    containers = await world.open()
    assert (containers.get(key).restart_count, await world.actions()) == (1, [])


async def test_a_create_that_was_cut_short_leaves_nothing(world: World) -> None:
    await world.close()
    home = world.directory / "data/containers" / ("a" * 64)
    (home / "rootfs").mkdir(parents=True)
    containers = await world.open()
    assert not home.exists()
    assert containers.warnings == ()


def _silent_until(monkeypatch: pytest.MonkeyPatch, world: World) -> asyncio.Event:
    """Every launcher's monitors are silent until the event is set."""
    answers, kind = asyncio.Event(), type(world.launcher)
    adopt: Any = kind.adopt

    async def silent(self: Any, container_id: str, bundle: Path) -> Any:
        if not answers.is_set():
            raise Unavailable(f"monitor of container {container_id} does not answer")
        return await adopt(self, container_id, bundle)

    monkeypatch.setattr(kind, "adopt", silent)
    return answers


async def _stopped(world: World, key: str) -> None:
    """Stop it as soon as its monitor is found."""
    while True:
        try:
            await world.containers.stop(key, timeout=0)
        except Unavailable:
            await asyncio.sleep(0.02)
        else:
            return


def _has_ended(world: World, key: str) -> bool:
    record = world.containers.get(key)
    return record.restart_count == 1 and record.state.status is Status.EXITED


async def _refuse(*_: object) -> None:
    raise RuntimeFailure("the disk is broken")
