"""Many at once, and steps that fail: nothing is lost, nothing is left half made."""

import asyncio
from typing import Any

import pytest

from engine.containers.filters import Filters
from engine.containers.model import HostConfig, Status
from engine.errors import RuntimeFailure
from tests.suites.containers.world import BOUND, FOREVER, World

CROWD = 12


async def test_a_crowd_runs_and_is_removed(world: World) -> None:
    host = HostConfig(network_mode="none", auto_remove=True)

    async def one(number: int) -> int:
        key = await world.create("sh", "-c", f"exit {number}", name=f"n-{number}", host=host)
        removed = world.containers.wait(key, "removed")
        await world.containers.start(key)
        return (await asyncio.wait_for(removed, 4 * BOUND)).code

    codes = await asyncio.gather(*(one(number) for number in range(CROWD)))
    assert codes == list(range(CROWD))
    assert world.containers.list(Filters(), all=True) == []


async def test_verbs_at_the_same_time_leave_a_clear_state(world: World) -> None:
    key = await world.run(*FOREVER)
    verbs = [
        world.containers.restart(key, timeout=0),
        world.containers.stop(key, timeout=0),
        world.containers.start(key),
        world.containers.restart(key, timeout=0),
        world.containers.kill(key),
    ]
    await asyncio.wait_for(asyncio.gather(*verbs, return_exceptions=True), 2 * BOUND)
    state = world.containers.get(key).state
    assert state.status in (Status.RUNNING, Status.EXITED)
    assert (state.pid > 0) == (state.status is Status.RUNNING)


async def test_forced_removal_wins_over_everything(world: World) -> None:
    key = await world.run(*FOREVER)
    verbs = [world.containers.restart(key, timeout=0), world.containers.remove(key, force=True)]
    results = await asyncio.wait_for(asyncio.gather(*verbs, return_exceptions=True), 2 * BOUND)
    assert results[1] is None
    assert world.containers.list(Filters(), all=True) == []


async def test_a_start_that_fails_in_the_kernel_says_so_and_can_be_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await world.create("true")

    async def refuse(*_: object) -> None:
        raise RuntimeFailure("mount: no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(world.launcher, "create", refuse)
        with pytest.raises(RuntimeFailure, match="no space left"):
            await world.containers.start(key)
    state = world.containers.get(key).state
    assert (state.exit_code, state.error) == (128, "mount: no space left on device")
    waiting = world.containers.wait(key, "next-exit")
    await world.containers.start(key)
    assert (await asyncio.wait_for(waiting, BOUND)).error == ""


async def test_a_start_that_is_cancelled_leaves_nothing_running(world: World) -> None:
    key = await world.create(*FOREVER)
    starting = asyncio.create_task(world.containers.start(key))
    await asyncio.sleep(0)
    await _cancelled(starting)
    assert not (world.directory / "run/bundles" / key).exists()
    assert await world.containers.start(key) is True


async def test_a_start_that_is_cancelled_too_late_ends_the_process(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await world.create(*FOREVER)
    reached, create = asyncio.Event(), world.launcher.create

    async def create_stuck(*args: Any) -> Any:
        monitor: Any = await create(*args)
        start = monitor.start

        async def start_and_hang() -> None:
            await start()
            reached.set()
            await asyncio.Event().wait()

        monitor.start = start_and_hang
        return monitor

    with monkeypatch.context() as patch:
        patch.setattr(world.launcher, "create", create_stuck)
        starting = asyncio.create_task(world.containers.start(key))
        await asyncio.wait_for(reached.wait(), BOUND)
        await _cancelled(starting)
    assert not (world.directory / "run/bundles" / key).exists()
    assert world.containers.get(key).state.pid == 0
    assert await world.containers.start(key) is True


async def _cancelled(task: asyncio.Task[bool]) -> None:
    """Cancel and wait until what had begun is undone."""
    task.cancel()
    await asyncio.wait({task}, timeout=BOUND)
    assert task.cancelled()
