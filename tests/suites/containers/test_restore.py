"""An engine that is started again: adopted containers, exits it did not see, policies, damage."""

import asyncio
import json
import sqlite3
from dataclasses import replace

import pytest

from engine.containers import restore
from engine.containers.filters import Filters
from engine.containers.model import HostConfig, RestartPolicy, Status
from engine.errors import NotFound
from tests.suites.containers.world import BOUND, World


async def test_a_running_container_is_taken_up(world: World) -> None:
    key = await world.run()
    before = world.containers.get(key)
    containers = await world.reopen()
    assert containers.get(key).state.pid == before.state.pid
    assert containers.get(key).state.status is Status.RUNNING
    await containers.stop(key, timeout=0)
    assert containers.get(key).state.exit_code in (0, 137), "it may be quicker than the kill"


async def test_a_paused_container_stays_paused(world: World) -> None:
    key = await world.run()
    await world.containers.pause(key)
    containers = await world.reopen()
    assert containers.get(key).state.status is Status.PAUSED
    await containers.unpause(key)


async def test_nothing_of_an_ended_or_created_container_is_lost(world: World) -> None:
    await world.finished("sh", "-c", "echo said; exit 3", name="ended", labels={"a": "b"})
    await world.create(name="created")
    before = [replace(c, exec_ids=()) for c in world.containers.list(Filters(), all=True)]
    containers = await world.reopen()
    assert containers.list(Filters(), all=True) == before
    assert await world.output("ended") == b"said\n"


async def test_an_exit_while_no_engine_looked_has_its_code(world: World) -> None:
    key = await world.run("sh", "-c", "sleep 0.3; exit 6")
    await world.close()
    exit_file = world.directory / "data/containers" / key / "exit.json"
    await world.until(exit_file.exists, "the exit record")
    containers = await world.open()
    await world.until(lambda: containers.get(key).state.status is Status.EXITED, "the exit")
    assert containers.get(key).state.exit_code == 6
    died = next(e for e in await world.seen() if e.action == "die")
    assert died.attributes["exitCode"] == "6"


async def test_a_lost_container_has_ended_with_255_and_an_error(world: World) -> None:
    key = await world.run()
    await world.lose(key)
    containers = await world.open()
    state = containers.get(key).state
    assert (state.status, state.exit_code, state.error) == (Status.EXITED, 255, restore.LOST)
    assert [e.attributes["exitCode"] for e in await world.seen() if e.action == "die"] == ["255"]
    assert any(restore.LOST in line for line in containers.warnings)


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
async def test_a_lost_container_is_started_again_by_its_policy(world: World, policy: str) -> None:
    host = HostConfig(network_mode="none", restart_policy=RestartPolicy(policy))
    key = await world.run(host=host)
    await world.lose(key)
    containers = await world.open()
    await world.until(lambda: containers.get(key).state.status is Status.RUNNING, "the restart")


async def test_a_container_stopped_by_hand_starts_only_with_always(world: World) -> None:
    for policy in ("always", "unless-stopped"):
        host = HostConfig(network_mode="none", restart_policy=RestartPolicy(policy))
        await world.run(name=policy, host=host)
        await world.containers.stop(policy, timeout=0)
    containers = await world.reopen()
    await world.until(lambda: containers.get("always").state.status is Status.RUNNING, "always")
    assert containers.get("unless-stopped").state.status is Status.EXITED


async def test_one_that_shall_be_removed_at_its_end_is_removed(world: World) -> None:
    host = HostConfig(network_mode="none", auto_remove=True)
    key = await world.run(host=host)
    await world.lose(key)
    containers = await world.open()
    await world.until(lambda: not containers.list(Filters(), all=True), "the removal")


async def test_a_damaged_record_is_recovered_from_its_copy(world: World) -> None:
    key = await world.run()
    await world.create(name="other")
    await world.close()
    _write(world, key, '{"id": 5}')
    containers = await world.open()
    assert containers.get("other").name == "other"
    assert containers.get(key).state.status is Status.RUNNING
    assert any(key in line for line in containers.warnings)


async def test_a_record_without_any_copy_is_set_aside_and_named(world: World) -> None:
    key = await world.create()
    await world.create(name="other")
    await world.close()
    _write(world, key, "no json at all")
    (world.directory / "data/containers" / key / "record.json").write_text("")
    containers = await world.open()
    with pytest.raises(NotFound):
        containers.get(key)
    assert [c.name for c in containers.list(Filters(), all=True)] == ["other"]
    assert any("has no usable record" in line and key in line for line in containers.warnings)
    assert list((world.directory / "data/damaged").glob(f"{key}-*"))


async def test_a_damaged_database_costs_no_container(world: World) -> None:
    key = await world.run()
    await world.close()
    for name in ("berth.db-wal", "berth.db-shm"):
        (world.directory / "data" / name).unlink(missing_ok=True)
    (world.directory / "data/berth.db").write_bytes(b"not a database" * 100)
    containers = await world.open()
    assert containers.get(key).state.status is Status.RUNNING
    assert any("damaged database" in line for line in containers.warnings)


async def test_a_dead_bundle_of_no_container_is_cleared_away(world: World) -> None:
    key = await world.run()
    await world.close()
    stray = world.directory / "run/bundles/stray"
    stray.mkdir()
    (stray / "state.json").write_text("{")
    containers = await world.open()
    assert containers.get(key).state.status is Status.RUNNING
    assert not stray.exists()


async def test_a_damaged_bundle_ends_its_container_and_no_other(world: World) -> None:
    key, other = await world.run(name="hurt"), await world.run(name="other")
    await world.lose(key)
    bundle = world.directory / "run/bundles" / key
    bundle.mkdir(exist_ok=True)
    (bundle / "state.json").write_text("no json")
    containers = await world.open()
    assert containers.get(other).state.status is Status.RUNNING
    assert containers.get(key).state.exit_code == 255
    assert any("hurt" in line for line in containers.warnings)


async def test_a_start_that_was_not_written_down_any_more_is_a_new_run(world: World) -> None:
    key = await world.run()
    await world.containers.stop(key, timeout=0)
    before = world.database.table("containers").get(key)
    await world.containers.start(key)
    await world.close()
    _write(world, key, json.dumps(before))
    state = (await world.open()).get(key).state
    assert (state.status, state.exit_code, state.stopped_by_user) == (Status.RUNNING, 0, False)
    assert state.started_at > state.finished_at


async def test_a_wait_after_the_restart_sees_the_end(world: World) -> None:
    key = await world.run()
    containers = await world.reopen()
    waiting = containers.wait(key)
    await containers.kill(key)
    assert (await asyncio.wait_for(waiting, BOUND)).code == 137


def _write(world: World, key: str, text: str) -> None:
    connection = sqlite3.connect(world.directory / "data/berth.db")
    connection.execute("UPDATE documents SET document=? WHERE key=?", (text, key))
    connection.commit()
    connection.close()
