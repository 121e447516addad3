"""create, start, kill, pause, update, wait, delete: one container's verbs."""

import asyncio
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from engine.errors import (
    CommandNotExecutable,
    CommandNotFound,
    Conflict,
    EngineError,
    InvalidArgument,
    NotRunning,
)
from engine.runtime.cgroups import Manager, detect
from engine.runtime.launcher import Launcher, read_exit_record

from .conftest import Host, bounded, log_text, read_until, until, until_quiet


async def test_a_created_container_has_not_run_its_program(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["echo", "ran"])
    document = await host.state(monitor)
    assert document["status"] == "created"
    assert document["pid"] == monitor.pid
    assert Path(f"/proc/{monitor.pid}/comm").exists()
    assert host.log("c1").read_bytes() == b""


@pytest.mark.parametrize("code", [0, 7, 255])
async def test_the_exit_code_is_the_programs(host: Host, launcher: Launcher, code: int) -> None:
    monitor = await host.create(launcher, "c1", ["sh", "-c", f"exit {code}"])
    await monitor.start()
    record = await bounded(monitor.wait())
    assert (record.code, record.signal, record.oom_killed) == (code, None, False)
    assert 0 < record.started_at <= record.finished_at


async def test_the_exit_is_recorded(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sh", "-c", "exit 3"])
    await monitor.start()
    record = await bounded(monitor.wait())
    assert read_exit_record(host.exit("c1")) == record


async def test_a_killed_container_tells_its_signal(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    await monitor.start()
    await monitor.kill(signal.SIGKILL)
    record = await bounded(monitor.wait())
    assert (record.code, record.signal) == (137, 9)
    assert not record.oom_killed


async def test_a_signal_reaches_the_program(host: Host, launcher: Launcher) -> None:
    script = "trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done"
    monitor = await host.create(launcher, "c1", ["sh", "-c", script])
    stream = await monitor.attach(stdin=False, stdout=True, stderr=False)
    await monitor.start()
    await read_until(stream, b"up\n")
    await monitor.kill(signal.SIGTERM)
    assert (await bounded(monitor.wait())).code == 3
    await stream.close()


async def test_many_can_wait(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sh", "-c", "exit 4"])
    waiting = [asyncio.create_task(monitor.wait()) for _ in range(5)]
    await monitor.start()
    assert {record.code for record in await bounded(asyncio.gather(*waiting))} == {4}


async def test_kill_after_the_end_says_not_running(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["true"])
    await monitor.start()
    await bounded(monitor.wait())
    with pytest.raises(NotRunning):
        await monitor.kill(signal.SIGTERM)


async def test_an_unknown_program_is_command_not_found(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["no-such-program"])
    with pytest.raises(CommandNotFound, match=r'"no-such-program": executable file not found'):
        await monitor.start()
    assert (await bounded(monitor.wait())).code == 127


async def test_a_directory_is_command_not_executable(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["/etc"])
    with pytest.raises(CommandNotExecutable):
        await monitor.start()
    assert (await bounded(monitor.wait())).code == 126


async def test_a_second_start_is_a_conflict(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    await monitor.start()
    with pytest.raises(Conflict):
        await monitor.start()


async def test_a_create_that_cannot_work_leaves_nothing(host: Host, launcher: Launcher) -> None:
    bad = [{"destination": "/x", "type": "no-such-file-system", "source": "none"}]
    with pytest.raises(EngineError, match="/x"):
        await host.create(launcher, "c1", ["true"], mounts=bad)
    assert not host.bundle("c1").exists()
    assert not Manager(detect(), f"{host.cgroup_parent}/c1").exists()


@pytest.mark.parametrize("milliseconds", [0, 1, 2, 4, 6, 8, 12, 16])
async def test_a_create_given_up_leaves_nothing(
    host: Host, launcher: Launcher, milliseconds: int
) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(milliseconds / 1000):
            await host.create(launcher, "c1", ["sleep", "1000"])
    if not host.monitors:
        group = Manager(detect(), f"{host.cgroup_parent}/c1")
        await until(lambda: not group.exists() and not host.bundle("c1").exists())


async def test_a_wrong_configuration_names_the_field(host: Host, launcher: Launcher) -> None:
    config = host.config(["true"])
    config["process"]["cwd"] = "relative"
    with pytest.raises(InvalidArgument, match=r"process\.cwd"):
        await launcher.create("c1", host.options("c1", config))
    assert not host.bundle("c1").exists()


async def test_a_living_container_cannot_be_created_again(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    with pytest.raises(Conflict):
        await host.create(launcher, "c1", ["true"])
    await monitor.start()


async def test_a_created_container_can_be_deleted_unstarted(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["true"])
    await monitor.delete()
    assert not host.bundle("c1").exists()
    assert not host.exit("c1").exists()


async def test_deleting_twice_is_fine(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["true"])
    await monitor.delete()
    await monitor.delete()


async def test_a_running_container_cannot_be_deleted(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    await monitor.start()
    with pytest.raises(Conflict):
        await monitor.delete()


async def test_a_container_can_run_again_under_its_name(host: Host, launcher: Launcher) -> None:
    for word in ("one", "two"):
        monitor = await host.create(launcher, "c1", ["echo", word])
        await monitor.start()
        await bounded(monitor.wait())
        await monitor.delete()
    assert log_text(host.log("c1")) == b"one\ntwo\n"


async def test_pause_stops_and_resume_goes_on(host: Host, launcher: Launcher) -> None:
    script = "while :; do echo tick; sleep 0.01; done"
    monitor = await host.create(launcher, "c1", ["sh", "-c", script])
    await monitor.start()

    def size() -> int:
        return host.log("c1").stat().st_size

    await until(size)
    await monitor.pause()
    await until_quiet(size)
    before = size()
    await monitor.resume()
    await until(lambda: size() > before)


async def test_a_paused_container_can_be_killed(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    await monitor.start()
    await monitor.pause()
    await monitor.kill(signal.SIGKILL)
    assert (await bounded(monitor.wait())).code == 137


async def test_update_changes_a_limit(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    await monitor.start()
    assert await monitor.update({"pids": {"limit": 17}}) == []
    assert Manager(detect(), monitor.cgroup).stats().pids.limit == 17


async def test_memory_beyond_the_limit_is_an_oom_kill(host: Host, launcher: Launcher) -> None:
    args = ["dd", "if=/dev/zero", "of=/dev/null", "bs=96M", "count=4"]
    limit = {"memory": {"limit": 32 << 20, "swap": 32 << 20}}
    monitor = await host.create(launcher, "c1", args, resources=limit)
    await monitor.start()
    record = await bounded(monitor.wait())
    assert (record.code, record.signal, record.oom_killed) == (137, 9, True)


async def test_an_oom_kill_of_a_child_is_an_event(host: Host, launcher: Launcher) -> None:
    script = "dd if=/dev/zero of=/dev/null bs=96M count=4; echo survived; exit 5"
    limit = {"memory": {"limit": 32 << 20, "swap": 32 << 20}}
    monitor = await host.create(launcher, "c1", ["sh", "-c", script], resources=limit)
    events: list[str] = []
    monitor.on_event(events.append)
    await monitor.start()
    record = await bounded(monitor.wait())
    assert (record.code, record.oom_killed) == (5, False)
    assert events == ["oom", "exit"]


async def test_twenty_containers_at_once(host: Host, launcher: Launcher) -> None:
    async def one(number: int) -> int:
        name = f"c{number}"
        monitor = await host.create(launcher, name, ["sh", "-c", f"echo {name}; exit {number}"])
        await monitor.start()
        code: int = (await bounded(monitor.wait())).code
        await monitor.delete()
        return code

    codes = await asyncio.gather(*(one(number) for number in range(20)))
    assert codes == list(range(20))
    assert all(log_text(host.log(f"c{n}")) == f"c{n}\n".encode() for n in range(20))


async def test_what_the_program_left_running_ends_with_it(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sh", "-c", "sleep 1000 & echo $!; exit 0"])
    await monitor.start()
    await bounded(monitor.wait())
    group = Manager(detect(), monitor.cgroup)
    await until(lambda: not group.exists() or not group.pids())
