"""exec sessions: further processes in a running container."""

import asyncio

import pytest

from engine.errors import CommandNotFound, NotRunning
from engine.runtime.launcher import Launcher, Monitor

from .conftest import Host, bounded, log_text, process, read_all, read_until


@pytest.fixture
async def running(host: Host, launcher: Launcher) -> Monitor:
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    await monitor.start()
    return monitor


async def test_it_is_in_the_container(running: Monitor) -> None:
    script = "hostname; cat /proc/1/comm; echo bad >&2; exit 9"
    session = await running.exec("e1", process(["sh", "-c", script]), stdin=False)
    assert await read_all(session.stream) == {1: b"box\nsleep\n", 2: b"bad\n"}
    assert await bounded(session.wait()) == 9


async def test_its_output_is_not_the_containers(host: Host, running: Monitor) -> None:
    session = await running.exec("e1", process(["echo", "secret"]), stdin=False)
    await read_all(session.stream)
    assert log_text(host.log("c1")) == b""


async def test_several_have_their_own_streams_and_codes(running: Monitor) -> None:
    async def one(number: int) -> tuple[bytes, int]:
        args = ["sh", "-c", f"echo {number}; exit {number}"]
        session = await running.exec(f"e{number}", process(args), stdin=False)
        return (await read_all(session.stream))[1], await bounded(session.wait())

    got = await asyncio.gather(*(one(number) for number in range(8)))
    assert got == [(f"{number}\n".encode(), number) for number in range(8)]


async def test_stdin_and_its_end(running: Monitor) -> None:
    session = await running.exec("e1", process(["wc", "-c"]), stdin=True)
    await session.stream.write(b"12345")
    await session.stream.write_eof()
    assert (await read_all(session.stream))[1] == b"5\n"


async def test_a_terminal_with_a_size(running: Monitor) -> None:
    session = await running.exec("e1", process(["sh"], terminal=True), stdin=True)
    await session.resize(20, 90)
    await session.stream.write(b"tty; stty size; exit 6\n")
    await read_until(session.stream, b"20 90\r\n")
    await read_all(session.stream)
    assert await bounded(session.wait()) == 6


async def test_an_unknown_program_is_said(running: Monitor) -> None:
    with pytest.raises(CommandNotFound, match=r'"nope": executable file not found'):
        await running.exec("e1", process(["nope"]), stdin=False)


async def test_it_goes_on_when_its_client_leaves(running: Monitor) -> None:
    session = await running.exec("e1", process(["sh", "-c", "sleep 0.1; exit 5"]), stdin=False)
    await session.stream.close()
    assert await bounded(session.wait()) == 5


async def test_it_ends_with_the_container(running: Monitor) -> None:
    session = await running.exec("e1", process(["sleep", "1000"]), stdin=False)
    await running.kill(9)
    assert await bounded(session.wait()) == 137
    assert await read_all(session.stream) == {1: b"", 2: b""}


async def test_none_in_a_container_that_has_ended(running: Monitor) -> None:
    await running.kill(9)
    await bounded(running.wait())
    with pytest.raises(NotRunning):
        await running.exec("e1", process(["true"]), stdin=False)


async def test_its_orphans_are_reaped(running: Monitor) -> None:
    args = ["sh", "-c", "(sleep 0.05 &) ; exit 0"]
    session = await running.exec("e1", process(args), stdin=False)
    assert await bounded(session.wait()) == 0
    await read_all(session.stream)
