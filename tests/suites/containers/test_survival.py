"""What of a restore, or of a write, can go wrong costs the container it is about, and no other."""

import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from engine.containers import restore
from engine.containers.filters import Filters
from engine.containers.model import ExecConfig, HostConfig, Status
from engine.errors import NotFound, Unavailable
from engine.metadata import Database
from engine.runtime import state
from tests.suites.containers.world import World


async def test_a_monitor_that_answers_nonsense_costs_its_container_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = await world.run(name="bad"), await world.run(name="good")
    await world.close()
    kind = type(world.launcher)
    adopt: Any = kind.adopt

    async def nonsense(self: Any, container_id: str, bundle: Path) -> Any:
        if container_id == bad:
            raise KeyError("monitor_pid")
        return await adopt(self, container_id, bundle)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "adopt", nonsense)
        containers = await world.open()
        assert containers.get(good).state.status is Status.RUNNING
        assert any("bad" in line and "monitor_pid" in line for line in containers.warnings)
    await containers.remove(bad, force=True)


async def test_a_database_that_cannot_be_written_stops_no_restore(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record to recover from its copy, and one to set aside, with a full disk."""
    lost, good = await world.run(name="lost"), await world.run(name="good")
    world.database.table("containers").delete(lost)
    world.database.table("containers").put("stranger", {"id": 5})
    await world.close()

    def refuse(*_: object) -> None:
        raise Unavailable("cannot write: database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "_write", refuse)
        containers = await world.open()
    assert containers.get(good).state.status is Status.RUNNING
    assert containers.get(lost).state.status is Status.RUNNING
    assert any("stranger" in line for line in containers.warnings)
    await containers.remove(lost, force=True)
    assert not [c for c in containers.list(Filters(), all=True) if c.id == lost]


async def test_a_rename_that_cannot_be_written_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await world.create(name="before")

    def refuse(*_: object) -> None:
        raise Unavailable("cannot write: database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "_write", refuse)
        with pytest.raises(Unavailable, match="disk is full"):
            await world.containers.rename(key, "after")
    assert world.containers.get("before").id == key
    assert "rename" not in await world.actions()
    await world.create(name="after")
    assert (await world.reopen()).get(key).name == "before"


async def test_an_exec_that_runs_on_has_its_code_in_the_next_engine(
    world: World, tmp_path: Path
) -> None:
    key, session = await _exec(world, tmp_path, "exit 7")
    containers = await world.reopen()
    assert containers.exec_inspect(session).running
    assert containers.get(key).exec_ids == (session,)
    (tmp_path / "go").touch()
    await world.until(lambda: not containers.exec_inspect(session).running, "the end")
    assert containers.exec_inspect(session).exit_code == 7
    assert containers.get(key).exec_ids == ()
    died = [event for event in await world.seen() if event.action == "exec_die"]
    assert [event.attributes["exitCode"] for event in died] == ["7"]


async def test_the_code_of_an_exec_that_has_ended_is_there_in_the_next_engine(
    world: World, tmp_path: Path
) -> None:
    _, session = await _exec(world, tmp_path, "exit 9")
    (tmp_path / "go").touch()
    await world.until(lambda: not world.containers.exec_inspect(session).running, "the end")
    containers = await world.reopen()
    found = containers.exec_inspect(session)
    assert (found.running, found.exit_code) == (False, 9)


async def test_an_exec_that_ended_while_no_engine_looked_has_its_code(
    world: World, tmp_path: Path
) -> None:
    _, session = await _exec(world, tmp_path, "exit 8")
    pid = world.containers.exec_inspect(session).pid
    await world.close()
    (tmp_path / "go").touch()
    await world.until(lambda: state.start_time(pid) is None, "the end")
    containers = await world.open()
    await world.until(lambda: not containers.exec_inspect(session).running, "the end is told")
    assert containers.exec_inspect(session).exit_code == 8


async def test_an_exec_that_was_lost_with_its_container_is_255(
    world: World, tmp_path: Path
) -> None:
    key, session = await _exec(world, tmp_path, "exit 0")
    await world.lose(key)
    containers = await world.open()
    found = containers.exec_inspect(session)
    assert (found.running, found.exit_code) == (False, 255)
    await containers.remove(key)
    with pytest.raises(NotFound):
        containers.exec_inspect(session)
    with pytest.raises(NotFound):
        (await world.reopen()).exec_inspect(session)


async def _exec(world: World, folder: Path, then: str) -> tuple[str, str]:
    """A container, and a session in it that ends when there is a file `go`."""
    host = HostConfig(network_mode="none", binds=(f"{folder}:{folder}",))
    key = await world.run(host=host)
    script = f"while [ ! -e {folder}/go ]; do sleep 0.02; done; {then}"
    session = world.containers.exec_create(key, ExecConfig(cmd=("sh", "-c", script)))
    await world.containers.exec_start(session, detach=True)
    return key, session


class TestReal:
    """What only processes and files of the real launcher can show."""

    pytestmark = pytest.mark.root

    @pytest.fixture(params=["real"])
    async def world(self, request: pytest.FixtureRequest, tmp_path: Path) -> Any:
        from tests.suites.containers.conftest import opened

        async with opened(tmp_path, real=request.param == "real") as made:
            yield made

    async def test_a_forced_removal_ends_what_a_stopped_monitor_has(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Found so at the engine's start."""
        key = await world.run()
        known = _state(world, key)
        await world.close()
        monkeypatch.setattr(restore, "AGAIN", 1000.0)
        os.kill(known.monitor_pid, signal.SIGSTOP)
        try:
            containers = await world.open()
            assert any("does not answer" in line for line in containers.warnings)
            with pytest.raises(Unavailable, match="does not answer"):
                await containers.stop(key, timeout=0)
            await containers.remove(key, force=True)
        finally:
            with suppress(ProcessLookupError):
                os.kill(known.monitor_pid, signal.SIGCONT)
        assert state.start_time(known.pid) != known.pid_start
        assert containers.list(Filters(), all=True) == []

    @pytest.mark.parametrize("is_away", [False, True])
    async def test_a_program_that_changed_its_user_ends_with_its_monitor(
        self, world: World, is_away: bool
    ) -> None:
        """The kernel forgets then what init has asked for: a signal at its parent's death."""
        key = await world.run("busybox", "su", "bob", "-s", "/bin/sh", "-c", "exec sleep 1000")
        known = _state(world, key)
        await world.until(lambda: _uid(known.pid) == 1000, "it is bob")
        if is_away:
            await world.close()
        os.kill(known.monitor_pid, signal.SIGKILL)
        containers = await world.open() if is_away else world.containers
        await world.until(lambda: not containers.get(key).state.pid, "its end is known")
        found = containers.get(key).state
        assert (found.status, found.exit_code) == (Status.EXITED, 255)
        assert state.start_time(known.pid) != known.pid_start, "what has ended does not run"

    async def test_nothing_runs_after_a_reboot(self, world: World) -> None:
        """The numbers of its processes are other processes' by now: those are left alone."""
        key = await world.run()
        bundle = world.directory / "run/bundles" / key
        document = json.loads((bundle / "state.json").read_text())
        await world.lose(key)
        own = state.start_time(os.getpid())
        document["berth"] |= {"bootId": "of-another-boot", "monitorPid": os.getpid()}
        document["berth"] |= {"monitorStart": own, "pidStart": own}
        document["pid"] = os.getpid()
        bundle.mkdir(exist_ok=True)
        (bundle / "state.json").write_text(json.dumps(document))
        containers = await world.open()
        found = containers.get(key).state
        assert (found.status, found.pid, found.exit_code) == (Status.EXITED, 0, 255)
        assert found.error == restore.LOST
        assert not bundle.exists()
        assert await containers.start(key)
        assert containers.get(key).state.error == ""


def _uid(pid: int) -> int:
    return os.stat(f"/proc/{pid}").st_uid


def _state(world: World, key: str) -> state.State:
    known = state.read(str(world.directory / "run/bundles" / key))
    assert known is not None
    return known
