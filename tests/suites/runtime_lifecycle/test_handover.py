"""From the builder, which answers until a container is started, to the monitor: nothing is lost."""

import asyncio
from pathlib import Path

import pytest

from engine.errors import (
    Conflict,
)
from engine.runtime import state
from engine.runtime.connection import connect, result
from engine.runtime.launcher import Launcher, Monitor

from .conftest import Host, bounded, log_text, process, read_all, until
from .handed import answers, builder_of, descriptors, handed_over, pipelined

MANY = 260
"""Connections: more than go to the monitor in one message."""


# --- bytes ----------------------------------------------------------------------------------------


async def test_a_client_of_stdin_alone_goes_along(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(
        launcher, "c1", ["sh", "-c", "read it; echo got $it"], open_stdin=True, stdin_once=True
    )
    stream = await monitor.attach(stdin=True, stdout=False, stderr=False)
    await monitor.start()
    await handed_over(monitor)
    await stream.write(b"this\n")
    assert await read_all(stream) == {1: b"", 2: b""}
    assert (await bounded(monitor.wait())).code == 0
    assert log_text(host.log("c1")) == b"got this\n"


async def test_a_client_of_nothing_sees_the_end_of_the_output(
    host: Host, launcher: Launcher
) -> None:
    script = "exec >&- 2>&-; sleep 1000"
    monitor = await host.create(launcher, "c1", ["sh", "-c", script])
    stream = await monitor.attach(stdin=False, stdout=False, stderr=False)
    await monitor.start()
    assert await read_all(stream) == {1: b"", 2: b""}


async def test_stdin_sent_before_the_start_is_read_after_it(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["wc", "-c"], open_stdin=True, stdin_once=True)
    stream = await monitor.attach(stdin=True, stdout=True, stderr=True)
    writing = asyncio.create_task(stream.write(b"x" * 3_000_000))
    await until(lambda: pending_input(monitor))
    await monitor.start()
    await bounded(writing)
    await stream.write_eof()
    assert (await read_all(stream))[1] == b"3000000\n"


def pending_input(monitor: Monitor) -> bool:
    """Whether the builder has read what it takes before the program does: it sleeps again."""
    stat = Path(f"/proc/{builder_of(monitor)}/stat").read_text()
    return stat.rpartition(") ")[2][0] == "S"


async def test_stdin_that_ended_before_the_start_ends(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["cat"], open_stdin=True, stdin_once=True)
    stream = await monitor.attach(stdin=True, stdout=True, stderr=True)
    await stream.write(b"all of it\n")
    await stream.write_eof()
    await monitor.start()
    assert (await read_all(stream))[1] == b"all of it\n"
    assert (await bounded(monitor.wait())).code == 0


async def test_a_builder_holds_no_end_of_a_pipe(host: Host, launcher: Launcher) -> None:
    """Once the monitor has it: else a program would see the end of its input late."""
    for number in range(10):
        monitor = await host.create(launcher, f"c{number}", ["cat"], open_stdin=True)
        builder = builder_of(monitor)
        await monitor.start()
        if await let_go(builder):
            return
    pytest.fail("each builder held everything to its end")


async def let_go(pid: int) -> bool:
    """Whether a process that is about to end was seen alive without a pipe."""
    while state.start_time(pid) is not None:
        try:
            if "pipe" not in descriptors(pid):
                return state.start_time(pid) is not None
        except FileNotFoundError:
            continue  # it closes one after the other
        await asyncio.sleep(0)
    return False


async def test_a_terminal_gets_what_was_typed_before_the_start(
    host: Host, launcher: Launcher
) -> None:
    args = ["sh", "-c", "read it; echo got $it"]
    monitor = await host.create(launcher, "c1", args, terminal=True, open_stdin=True)
    stream = await monitor.attach(stdin=True, stdout=True, stderr=True)
    await stream.write(b"typed\n")
    await monitor.start()
    assert (await read_all(stream))[1].endswith(b"got typed\r\n")


async def test_a_client_that_goes_while_the_container_starts(
    host: Host, launcher: Launcher
) -> None:
    monitor = await host.create(launcher, "c1", ["seq", "20000"])
    streams = [await monitor.attach(stdin=False, stdout=True, stderr=True) for _ in range(6)]
    await asyncio.gather(monitor.start(), *(stream.close() for stream in streams[::2]))
    wanted = "".join(f"{n}\n" for n in range(1, 20001)).encode()
    everything = await asyncio.gather(*map(read_all, streams[1::2]))
    assert [got[1] for got in everything] == [wanted] * 3
    assert log_text(host.log("c1")) == wanted


# --- requests -------------------------------------------------------------------------------------


async def test_requests_behind_the_start_are_answered(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    streams = await connect(str(host.bundle("c1")))
    kill = {"verb": "kill", "signal": 9}
    await streams.send(pipelined({"verb": "start"}, {"verb": "hello"}, {"verb": "start"}, kill))
    first, hello, again, killed = await answers(streams, 4)
    assert result(first) == {} and result(killed) == {}
    assert (hello["ok"]["status"], hello["ok"]["pid"]) == ("running", monitor.pid)
    with pytest.raises(Conflict, match="is running"):
        result(again)
    assert (await bounded(monitor.wait())).signal == 9
    await streams.close()


@pytest.mark.parametrize("cut", [1, 17])
async def test_a_request_that_was_cut_is_put_together(
    host: Host, launcher: Launcher, cut: int
) -> None:
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    streams = await connect(str(host.bundle("c1")))
    start, hello = pipelined({"verb": "start"}), pipelined({"verb": "hello"})
    await streams.send(start + hello[:cut])
    await answers(streams, 1)
    await handed_over(monitor)
    await streams.send(hello[cut:])
    (answer,) = await answers(streams, 1)
    assert answer["ok"]["status"] == "running"
    await streams.close()


async def test_of_two_starts_at_once_one_is_refused(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    others = [await connect(str(host.bundle("c1"))) for _ in range(8)]
    told = await bounded(
        asyncio.gather(
            monitor.start(),
            *(other.call({"verb": "start"}) for other in others),
            return_exceptions=True,
        )
    )
    assert len([each for each in told if isinstance(each, Conflict)]) == 8
    assert len([each for each in told if not isinstance(each, BaseException)]) == 1
    for other in others:
        await other.close()


async def test_an_exec_right_after_the_start(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    await monitor.start()
    session = await monitor.exec("e1", process(["echo", "here"]), stdin=False)
    assert (await read_all(session.stream))[1] == b"here\n"
    assert await bounded(session.wait()) == 0
    await handed_over(monitor)  # the builder has been reaped, though its end was not waited for


async def test_more_clients_than_one_message_takes(host: Host, launcher: Launcher) -> None:
    args = ["sh", "-c", "read it; echo $it"]
    monitor = await host.create(launcher, "c1", args, open_stdin=True)
    attaching = [
        asyncio.create_task(monitor.attach(stdin=True, stdout=True, stderr=True))
        for _ in range(MANY)
    ]
    await until(lambda: sum(each.done() for each in attaching) > 190)
    await monitor.start()
    streams = await bounded(asyncio.gather(*attaching))
    await streams[-1].write(b"for all\n")
    everything = await bounded(asyncio.gather(*map(read_all, streams)))
    assert [got[1] for got in everything] == [b"for all\n"] * MANY


async def test_an_engine_that_comes_while_the_container_starts(host: Host) -> None:
    first, second = await host.launcher(), await host.launcher()
    for number in range(5):
        name = f"c{number}"
        monitor = await host.create(first, name, ["sh", "-c", "sleep 1000"])
        _, adopted = await asyncio.gather(monitor.start(), second.adopt(name, host.bundle(name)))
        assert adopted is not None and adopted.pid == monitor.pid
        await adopted.kill(9)
        assert (await bounded(adopted.wait())).signal == (await bounded(monitor.wait())).signal == 9
