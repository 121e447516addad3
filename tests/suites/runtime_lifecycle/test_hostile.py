"""What no client and no program may do to a monitor: end it, fill its memory, keep it busy."""

import asyncio
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError
from engine.runtime import wire
from engine.runtime.connection import Streams, connect
from engine.runtime.launcher import Launcher, Monitor
from engine.runtime.monitor import server

from .conftest import Host, bounded, process, read_all, until

EXECS = 100
FOREVER = ["sh", "-c", "sleep 1000"]


@pytest.fixture
async def running(host: Host, launcher: Launcher) -> Monitor:
    monitor = await host.create(launcher, "box", FOREVER)
    await monitor.start()
    return monitor


async def assert_well(monitor: Monitor) -> None:
    session = await monitor.exec("well", process(["echo", "well"]), stdin=False)
    assert (await read_all(session.stream))[1] == b"well\n"
    assert await bounded(session.wait()) == 0


def memory(pid: int) -> int:
    """Bytes that only this process holds."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    fields = dict(line.split(":", 1) for line in text.splitlines()[1:])
    return int(fields["Private_Dirty"].split()[0]) * 1024


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("kill", {"signal": 2**80}),
        ("kill", {"signal": float("inf")}),
        ("resize", {"height": 70000, "width": -1}),
        ("resize", {"height": 2**80, "width": 1}),
        ("update", {"resources": None}),
        ("update", {"resources": [1]}),
        ("attach", {"streams": 5, "stdin": False}),
        ("exec", {"exec": "a", "stdin": False}),
        (7, {}),
    ],
)
async def test_a_bad_request_is_refused_and_ends_nothing(
    host: Host, launcher: Launcher, verb: Any, arguments: dict[str, Any]
) -> None:
    monitor = await host.create(launcher, "box", FOREVER, terminal=True)
    await monitor.start()

    with pytest.raises(EngineError):
        await monitor.request(verb, **arguments)

    await monitor.kill(9)
    assert (await bounded(monitor.wait())).signal == 9


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        wire.frame(wire.CONTROL, b"[" * 100_000),
        wire.HEADER.pack(wire.MAX_PAYLOAD, wire.STDIN) + bytes(100_000),
        wire.frame(wire.STDIN, b"not attached"),
    ],
    ids=("text", "depth", "an unfinished frame", "input for nobody"),
)
async def test_garbage_ends_its_own_connection_at_most(
    host: Host, running: Monitor, garbage: bytes
) -> None:
    streams = await connect(str(host.bundle("box")))
    await streams.send(garbage)
    await streams.close()

    await assert_well(running)


async def test_more_clients_than_descriptors_end_nothing(host: Host, running: Monitor) -> None:
    limit = 40
    resource.prlimit(running.monitor_pid, resource.RLIMIT_NOFILE, (limit, limit))
    connections: list[Streams] = []
    for _ in range(2 * limit):
        connections.append(await connect(str(host.bundle("box"))))
    for each in connections:
        await each.close()

    await until(lambda: len(os.listdir(f"/proc/{running.monitor_pid}/fd")) < limit // 2)
    await assert_well(running)


async def test_more_callers_than_the_socket_lets_wait(host: Host, running: Monitor) -> None:
    os.kill(running.monitor_pid, signal.SIGSTOP)
    try:
        callers = [asyncio.create_task(connect(str(host.bundle("box")))) for _ in range(80)]
        await until(lambda: sum(caller.done() for caller in callers) >= 60)
    finally:
        os.kill(running.monitor_pid, signal.SIGCONT)

    for streams in await bounded(asyncio.gather(*callers)):
        assert (await streams.call({"verb": "hello"}))["id"] == "box"
        await streams.close()


async def test_a_refused_exec_leaves_no_descriptors(host: Host, running: Monitor) -> None:
    await assert_well(running)
    fds = f"/proc/{running.monitor_pid}/fd"
    await until(lambda: len(os.listdir(fds)) < 20)
    before = len(os.listdir(fds))
    for room in range(12):
        limit = max(int(fd) for fd in os.listdir(fds)) + 2 + room
        resource.prlimit(running.monitor_pid, resource.RLIMIT_NOFILE, (limit, 4096))
        try:
            session = await running.exec(f"e{room}", process(["true"]), stdin=True)
        except EngineError:
            continue
        await read_all(session.stream)
        await bounded(session.wait())
    resource.prlimit(running.monitor_pid, resource.RLIMIT_NOFILE, (1024, 4096))

    await until(lambda: len(os.listdir(fds)) <= before, bound=5)
    await assert_well(running)


async def test_what_an_exec_leaves_writing_for_ever_is_cut_off(
    host: Host, running: Monitor
) -> None:
    session = await running.exec(
        "loud", process(["sh", "-c", "yes & yes & yes & exit 3"]), stdin=False
    )

    assert await bounded(session.wait()) == 3
    await assert_well(running)
    assert memory(running.monitor_pid) < 12 * 2**20
    await session.stream.close()


async def test_an_exec_ended_by_the_containers_end_tells_its_code(
    host: Host, running: Monitor
) -> None:
    sessions = [
        await running.exec(f"e{number}", process(["sleep", "1000"]), stdin=False)
        for number in range(3)
    ]
    await running.kill(9)

    assert [await bounded(session.wait()) for session in sessions] == [137] * 3
    for session in sessions:
        await session.stream.close()


async def test_a_slow_client_gets_the_end_of_the_output(host: Host, launcher: Launcher) -> None:
    size = 3_000_000
    monitor = await host.create(launcher, "box", ["sh", "-c", f"head -c {size} /dev/zero"])
    stream = await monitor.attach(stdin=False, stdout=True, stderr=False)
    await monitor.start()
    got, begun = 0, time.monotonic()
    async with asyncio.timeout(60):
        while (piece := await stream.read()) is not None:
            got += len(piece[1])
            seen_slow = time.monotonic() - begun > server.LINGER + 1
            await asyncio.sleep(0 if seen_slow else 0.9)
    await stream.close()

    assert got == size
    assert seen_slow, "it took all before the monitor looked"


async def test_a_state_that_cannot_be_written_changes_nothing(
    host: Host, launcher: Launcher
) -> None:
    monitor = await host.create(launcher, "box", FOREVER)
    state_file = host.bundle("box") / "state.json"
    state_file.rename(host.bundle("box") / "kept")
    state_file.mkdir()

    await monitor.start()
    await assert_well(monitor)
    await monitor.kill(9)
    assert (await bounded(monitor.wait())).signal == 9

    state_file.rmdir()
    (host.bundle("box") / "kept").rename(state_file)


async def test_many_execs_leave_nothing_in_the_monitor(running: Monitor) -> None:
    await assert_well(running)
    await assert_well(running)
    fds = f"/proc/{running.monitor_pid}/fd"
    before, size = len(os.listdir(fds)), memory(running.monitor_pid)
    for _ in range(EXECS):
        await assert_well(running)

    await until(lambda: len(os.listdir(fds)) <= before)
    assert memory(running.monitor_pid) < size + 512 * 1024
    children = Path(f"/proc/{running.monitor_pid}/task/{running.monitor_pid}/children")
    assert children.read_text().split() == [str(running.pid)]
