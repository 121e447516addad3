"""create, start, stop, kill, restart, pause, rename, remove, wait: states, codes and events."""

import asyncio

import pytest

from engine.containers.filters import Filters
from engine.containers.model import HostConfig, RestartPolicy, Status
from engine.containers.service import Containers
from engine.errors import CommandNotFound, Conflict, InvalidArgument, NotFound, NotRunning
from tests.suites.containers.world import BOUND, World

IGNORES_TERM = ("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done")
NONE = "none"


async def test_runs_to_the_end_and_keeps_the_exit_code(world: World) -> None:
    result = await world.finished("sh", "-c", "exit 7")
    state = world.containers.get("web").state
    assert (result.code, state.exit_code, state.status) == (7, 7, Status.EXITED)
    assert 0 < state.started_at <= state.finished_at


async def test_tells_events_in_order_with_code_and_name(world: World) -> None:
    await world.finished("sh", "-c", "exit 7", labels={"a": "b"})
    await world.containers.remove("web")
    events = await world.seen()
    assert [event.action for event in events] == ["create", "start", "die", "destroy"]
    died = events[2].attributes
    assert (died["exitCode"], died["name"], died["image"], died["a"]) == ("7", "web", "box", "b")
    assert died["execDuration"] == "0"


async def test_start_of_a_running_container_changes_nothing(world: World) -> None:
    key = await world.run()
    assert await world.containers.start(key) is False
    assert (await world.actions()).count("start") == 1


async def test_starts_again_after_its_end(world: World) -> None:
    await world.finished("sh", "-c", "exit 7")
    waiting = world.containers.wait("web", "next-exit")
    assert await world.containers.start("web") is True
    assert (await asyncio.wait_for(waiting, BOUND)).code == 7


async def test_stop_ends_what_listens(world: World) -> None:
    key = await world.run(
        "sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    )
    await world.until(lambda: world.containers.get(key).state.pid, "a pid")
    await asyncio.wait_for(_ready(world, key), BOUND)
    assert await world.containers.stop(key) is True
    state = world.containers.get(key).state
    assert (state.status, state.pid) == (Status.EXITED, 0)
    assert (await world.actions())[-3:] == ["kill", "die", "stop"]
    assert await world.containers.stop(key) is False


async def test_stop_kills_what_does_not_listen(world: World) -> None:
    key = await world.run("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    await _ready(world, key)
    await world.containers.stop(key, timeout=0)
    assert world.containers.get(key).state.exit_code == 137
    signals = [e.attributes["signal"] for e in await world.seen() if e.action == "kill"]
    assert signals == ["15", "9"]


async def test_stop_uses_the_containers_own_signal(world: World) -> None:
    script = "trap 'exit 42' USR1; echo ready; while :; do sleep 0.05; done"
    key = await world.run("sh", "-c", script, stop_signal="SIGUSR1")
    await _ready(world, key)
    await world.containers.stop(key)
    assert world.containers.get(key).state.exit_code == 42


@pytest.mark.parametrize("signal", ["SIGHUP", "hup", "1"])
async def test_kill_sends_a_signal_by_name_or_number(world: World, signal: str) -> None:
    script = "trap 'exit 5' HUP; echo ready; while :; do sleep 0.05; done"
    key = await world.run("sh", "-c", script)
    await _ready(world, key)
    waiting = world.containers.wait(key)
    await world.containers.kill(key, signal)
    assert (await asyncio.wait_for(waiting, BOUND)).code == 5


async def test_kill_of_an_ended_container_is_refused(world: World) -> None:
    await world.finished("true")
    with pytest.raises(NotRunning, match="is not running"):
        await world.containers.kill("web")
    with pytest.raises(InvalidArgument, match="invalid signal: SIGWHAT"):
        await world.containers.kill("web", "SIGWHAT")


async def test_a_long_stop_can_be_cut_short_by_a_kill(world: World) -> None:
    key = await world.run("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    await _ready(world, key)
    stopping = asyncio.create_task(world.containers.stop(key, timeout=-1))
    await world.until(lambda: world.containers.get(key).state.stopped_by_user, "a stop under way")
    await world.containers.kill(key)
    assert await asyncio.wait_for(stopping, BOUND) is True


async def test_restart_gives_a_new_process(world: World) -> None:
    key = await world.run()
    before = world.containers.get(key).state.pid
    await world.containers.restart(key, timeout=0)
    state = world.containers.get(key).state
    assert state.status is Status.RUNNING
    assert state.pid != before
    assert (await world.actions())[-1] == "restart"


async def test_restart_keeps_a_container_that_is_removed_at_its_end(world: World) -> None:
    key = await world.run(host=HostConfig(network_mode=NONE, auto_remove=True))
    await world.containers.restart(key, timeout=0)
    assert world.containers.get(key).state.status is Status.RUNNING


async def test_pause_and_unpause(world: World) -> None:
    key = await world.run()
    await world.containers.pause(key)
    assert world.containers.get(key).state.status is Status.PAUSED
    with pytest.raises(Conflict, match="already paused"):
        await world.containers.pause(key)
    with pytest.raises(Conflict, match="cannot start a paused container"):
        await world.containers.start(key)
    await world.containers.unpause(key)
    assert world.containers.get(key).state.status is Status.RUNNING
    with pytest.raises(Conflict, match="is not paused"):
        await world.containers.unpause(key)


async def test_a_paused_container_can_be_stopped(world: World) -> None:
    key = await world.run()
    await world.containers.pause(key)
    await world.containers.stop(key, timeout=1)
    assert world.containers.get(key).state.status is Status.EXITED


async def test_rename_frees_the_old_name(world: World) -> None:
    key = await world.create(name="old")
    await world.containers.rename("old", "new")
    assert world.containers.get("/new").id == key
    with pytest.raises(NotFound, match="No such container: old"):
        world.containers.get("old")
    event = (await world.seen())[-1]
    assert (event.action, event.attributes["oldName"]) == ("rename", "/old")
    await world.create(name="old")
    with pytest.raises(Conflict, match='"/old" is already in use'):
        await world.containers.rename("new", "old")


async def test_remove_refuses_what_runs_unless_forced(world: World) -> None:
    key = await world.run()
    with pytest.raises(Conflict, match=r'cannot remove container "/web": container is running'):
        await world.containers.remove(key)
    await world.containers.remove(key, force=True)
    with pytest.raises(NotFound):
        world.containers.get(key)


async def test_removed_at_its_end_when_asked_for(world: World) -> None:
    host = HostConfig(network_mode=NONE, auto_remove=True)
    key = await world.create("sh", "-c", "exit 3", host=host)
    removed = world.containers.wait(key, "removed")
    await world.containers.start(key)
    assert (await asyncio.wait_for(removed, BOUND)).code == 3
    assert world.containers.list(Filters(), all=True) == []


async def test_removal_tells_those_who_wait_for_an_exit(world: World) -> None:
    key = await world.create()
    waiting = world.containers.wait(key, "next-exit")
    await world.containers.remove(key)
    await asyncio.wait_for(waiting, BOUND)


async def test_wait_answers_at_once_when_nothing_runs(world: World) -> None:
    await world.finished("sh", "-c", "exit 4")
    assert (await world.containers.wait("web")).code == 4


async def test_a_missing_program_is_127_and_leaves_nothing(world: World) -> None:
    key = await world.create("no-such-program")
    with pytest.raises(CommandNotFound, match="executable file not found in"):
        await world.containers.start(key)
    state = world.containers.get(key).state
    assert (state.exit_code, state.status) == (127, Status.CREATED)
    assert "no-such-program" in state.error
    assert not (world.directory / "run/bundles" / key).exists()


async def test_a_failed_start_removes_a_container_that_asked_for_it(world: World) -> None:
    host = HostConfig(network_mode=NONE, auto_remove=True)
    await world.create("no-such-program", host=host)
    with pytest.raises(CommandNotFound):
        await world.containers.start("web")
    assert world.containers.list(Filters(), all=True) == []


async def test_on_failure_restarts_only_so_often(world: World) -> None:
    policy = RestartPolicy("on-failure", 2)
    key = await world.run(
        "sh", "-c", "exit 1", host=HostConfig(network_mode=NONE, restart_policy=policy)
    )
    state = await world.until(lambda: _ended(world.containers, key), "the last exit")
    assert state == 2
    assert (await world.actions()).count("die") == 3


async def test_always_restarts_until_it_is_stopped(world: World) -> None:
    policy = RestartPolicy("always")
    key = await world.run("true", host=HostConfig(network_mode=NONE, restart_policy=policy))
    await world.until(lambda: world.containers.get(key).restart_count >= 2, "two restarts")
    await world.containers.stop(key)
    assert world.containers.get(key).state.status is Status.EXITED
    assert world.containers.get(key).state.stopped_by_user


async def test_a_container_that_waits_for_its_restart_can_be_removed(world: World) -> None:
    policy = RestartPolicy("always")
    key = await world.run("true", host=HostConfig(network_mode=NONE, restart_policy=policy))
    await world.until(lambda: world.containers.get(key).restart_count >= 1, "a restart")
    await world.containers.remove(key, force=True)
    assert world.containers.list(Filters(), all=True) == []


async def test_prune_takes_only_what_has_ended(world: World) -> None:
    ended = await world.create(name="ended")
    running = await world.run(name="running")
    pruned = await world.containers.prune(Filters())
    assert pruned.ids == (ended,)
    assert [c.id for c in world.containers.list(Filters(), all=True)] == [running]


async def test_concurrent_starts_give_one_process(world: World) -> None:
    key = await world.create()
    started = await asyncio.gather(*(world.containers.start(key) for _ in range(5)))
    assert sorted(started) == [False, False, False, False, True]


async def _ready(world: World, key: str) -> None:
    """Until the program has said its first line, or has surely set its traps."""
    if world.containers.get(key).args[-1].find("echo ready") < 0:
        return
    async for _ in world.log(key, follow=True):
        return


def _ended(containers: Containers, key: str) -> int:
    """How often it was restarted, once it is not any more."""
    record = containers.get(key)
    return record.restart_count if record.state.status is Status.EXITED else 0
