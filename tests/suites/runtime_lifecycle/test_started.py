"""Containers whose start is asked for together with their creation."""

import asyncio
import json

import pytest

from engine.errors import CommandNotExecutable, CommandNotFound
from engine.runtime.launcher import Launcher

from .conftest import Host, bounded, log_text, process, read_all, until


@pytest.mark.parametrize("pid_namespace", [True, False])
async def test_it_runs_as_soon_as_it_is_ready(
    host: Host, launcher: Launcher, pid_namespace: bool
) -> None:
    config = host.config(["sh", "-c", "echo ran; exit 3"])
    if not pid_namespace:  # its monitor starts it, not its builder
        spaces = config["linux"]["namespaces"]
        config["linux"]["namespaces"] = [each for each in spaces if each["type"] != "pid"]
    monitor = host.remember(await launcher.create("c1", host.options("c1", config, start=True)))
    record = await bounded(monitor.wait())  # nobody called `start`
    await monitor.start()
    assert record.code == 3
    assert 0 < record.started_at <= record.finished_at
    assert log_text(host.log("c1")) == b"ran\n"


async def test_what_follows_the_start_is_answered(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sleep", "1000"], start=True)
    await monitor.start()
    assert json.loads((host.bundle("c1") / "state.json").read_text())["status"] == "running"
    session = await monitor.exec("e1", process(["sh", "-c", "exit 5"]), stdin=False)
    assert await bounded(session.wait()) == 5
    await session.stream.close()
    await monitor.kill(9)
    assert (await bounded(monitor.wait())).code == 137


@pytest.mark.parametrize(
    ("program", "error", "code"),
    [("no-such-program", CommandNotFound, 127), ("/etc", CommandNotExecutable, 126)],
)
async def test_a_program_that_cannot_be_executed(
    host: Host, launcher: Launcher, program: str, error: type[Exception], code: int
) -> None:
    monitor = await host.create(launcher, "c1", [program], start=True)
    with pytest.raises(error):
        await monitor.start()
    assert (await bounded(monitor.wait())).code == code


async def test_a_start_nobody_waits_for_is_taken_back(host: Host, launcher: Launcher) -> None:
    creating = asyncio.create_task(host.create(launcher, "c1", ["sleep", "1000"], start=True))
    await until(lambda: (host.bundle("c1") / "monitor.sock").exists() or creating.done())
    creating.cancel()
    (made,) = await asyncio.gather(creating, return_exceptions=True)
    if isinstance(made, asyncio.CancelledError):
        assert not host.bundle("c1").exists()


async def test_many_at_once(host: Host, launcher: Launcher) -> None:
    async def one(number: int) -> int:
        script = f"exit {number}"
        monitor = await host.create(launcher, f"c{number}", ["sh", "-c", script], start=True)
        await monitor.start()
        return (await bounded(monitor.wait())).code

    assert await asyncio.gather(*(one(number) for number in range(20))) == list(range(20))


async def test_a_late_client_gets_what_is_written_from_then_on(
    host: Host, launcher: Launcher
) -> None:
    monitor = await host.create(launcher, "c1", ["cat"], start=True, open_stdin=True)
    await monitor.start()
    stream = await monitor.attach(stdin=True, stdout=True, stderr=True)
    await stream.write(b"back\n")
    await until(lambda: log_text(host.log("c1")) == b"back\n")
    await monitor.kill(9)
    assert (await read_all(stream))[1] == b"back\n"
    await stream.close()
