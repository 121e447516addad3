"""From the builder, which answers until a container is started, to the monitor: nothing is lost."""

import _socket
import asyncio
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import (
    CommandNotExecutable,
    CommandNotFound,
    Conflict,
    EngineError,
    MonitorLost,
    NotRunning,
)
from engine.runtime import state, wire
from engine.runtime.cgroups import detect
from engine.runtime.connection import Message, Streams, connect, result
from engine.runtime.launcher import Launcher, Monitor, read_exit_record
from engine.runtime.monitor import handover
from engine.runtime.monitor.session import LINGER

from .conftest import Host, bounded, log_text, process, read_all, read_until, until, until_quiet

MANY = 260
"""Connections: more than go to the monitor in one message."""


def children(pid: int) -> set[int]:
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def builder_of(monitor: Monitor) -> int:
    """The process that answers for a container which has not been started."""
    (builder,) = children(monitor.monitor_pid) - {monitor.pid}
    return builder


async def handed_over(monitor: Monitor) -> None:
    await until(lambda: children(monitor.monitor_pid) == {monitor.pid})


def descriptors(pid: int) -> list[str]:
    """What a process has open, without the numbers that tell one pipe from another."""
    links = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
    return sorted(re.sub(r"^(pipe|socket):.*", r"\1", link) for link in links)


def switches(pid: int) -> int:
    """How often a process has gone to sleep."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


async def answers(streams: Streams, count: int) -> list[Message]:
    """The next so many answers; events between them are left out."""
    found: list[Message] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            kind, payload = await streams.receive()
            message = wire.parse_control(payload) if kind == wire.CONTROL else {"event": None}
            if "event" not in message:
                found.append(message)
    return found


def pipelined(*requests: dict[str, Any]) -> bytes:
    return b"".join(wire.control({"id": n, **each}) for n, each in enumerate(requests))


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


# --- ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "error", "code"),
    [("/nowhere", CommandNotFound, 127), ("/etc", CommandNotExecutable, 126)],
)
async def test_a_start_that_fails(
    host: Host, launcher: Launcher, program: str, error: type[EngineError], code: int
) -> None:
    monitor = await host.create(launcher, "c1", [program])
    stream = await monitor.attach(stdin=False, stdout=True, stderr=True)
    with pytest.raises(error, match=program):
        await monitor.start()
    assert (await bounded(monitor.wait())).code == code
    assert await read_all(stream) == {1: b"", 2: b""}
    record = read_exit_record(host.exit("c1"))
    assert record is not None and (record.code, record.started_at) == (code, 0)
    assert (await host.state(monitor))["status"] == "stopped"
    await until(lambda: state.start_time(monitor.monitor_pid) is None)


async def test_an_init_that_dies_before_the_start(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    os.kill(monitor.pid, signal.SIGKILL)
    assert (await bounded(monitor.wait())).signal == 9
    with pytest.raises(NotRunning):
        await monitor.start()
    await until(lambda: state.start_time(monitor.monitor_pid) is None)


async def test_short_lives_keep_their_code_and_time(host: Host, launcher: Launcher) -> None:
    async def live(number: int) -> None:
        monitor = await host.create(launcher, f"c{number}", ["sh", "-c", f"exit {number}"])
        await monitor.start()
        record = await bounded(monitor.wait())
        assert record.code == number
        assert 0 < record.started_at < record.finished_at
        assert read_exit_record(host.exit(f"c{number}")) == record

    await asyncio.gather(*map(live, range(30, 42)))


@pytest.mark.parametrize("turns", [0, 2, 8, 32])
async def test_a_builder_killed_around_the_start_leaves_nothing_or_everything(
    host: Host, launcher: Launcher, turns: int
) -> None:
    """Whatever it had got to: a container that goes on with its monitor, or neither of them."""
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    builder = os.pidfd_open(builder_of(monitor))
    starting = asyncio.create_task(monitor.start())
    for _ in range(turns):
        await asyncio.sleep(0)
    kill(builder)
    await asyncio.gather(starting, return_exceptions=True)
    try:
        await monitor.kill(9)
        assert (await bounded(monitor.wait())).signal == 9
    except (NotRunning, MonitorLost):
        with pytest.raises(MonitorLost):
            await bounded(monitor.wait())
        assert read_exit_record(host.exit("c1")) is None
    await until(lambda: state.start_time(monitor.pid) is None)
    await until(lambda: state.start_time(monitor.monitor_pid) is None)


def kill(process: int) -> None:
    try:
        signal.pidfd_send_signal(process, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it had done its work
    finally:
        os.close(process)


async def test_a_builder_killed_once_start_was_answered(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sh", "-c", "echo up; sleep 1000"])
    builder = os.pidfd_open(builder_of(monitor))
    await monitor.start()
    kill(builder)
    try:
        await monitor.kill(9)
        assert (await bounded(monitor.wait())).signal == 9
    except (NotRunning, MonitorLost):
        await until(lambda: state.start_time(monitor.pid) is None)


@pytest.mark.parametrize("moment", ["created", "started"])
async def test_a_stopped_builder_keeps_nothing_from_its_end(
    host: Host, launcher: Launcher, moment: str
) -> None:
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    builder = builder_of(monitor)
    if moment == "started":
        await monitor.start()
    try:
        os.kill(builder, signal.SIGSTOP)
    except ProcessLookupError:
        assert moment == "started"
    os.kill(monitor.monitor_pid, signal.SIGKILL)
    with pytest.raises(MonitorLost):
        await bounded(monitor.wait())
    for pid in (monitor.pid, builder, monitor.monitor_pid):
        await until(lambda pid=pid: state.start_time(pid) is None)


async def test_a_container_without_room_for_its_state_is_started(
    host: Host, launcher: Launcher, small_disk: Callable[[Path], Callable[[], None]]
) -> None:
    fill = small_disk(host.bundle("c1"))
    monitor = await host.create(launcher, "c1", ["sh", "-c", "echo up; sleep 1000"])
    fill()
    stream = await monitor.attach(stdin=False, stdout=True, stderr=True)
    await monitor.start()
    await read_until(stream, b"up\n")
    await stream.close()
    await monitor.kill(9)
    assert (await bounded(monitor.wait())).signal == 9


@pytest.fixture
def small_disk(request: pytest.FixtureRequest) -> Callable[[Path], Callable[[], None]]:
    """A file system of 64 KiB at a path, and what fills it."""

    def make(path: Path) -> Callable[[], None]:
        path.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", path], check=True)
        request.addfinalizer(lambda: subprocess.run(["umount", "-l", path], check=True))

        def fill() -> None:
            with pytest.raises(OSError, match="No space"), (path / "big").open("wb", 0) as file:
                while True:
                    file.write(bytes(4096))

        return fill

    return make


async def test_orphans_of_a_container_among_the_hosts_processes_are_reaped(
    host: Host, launcher: Launcher
) -> None:
    script = "for n in 1 2 3 4 5; do (sh -c 'echo orphan $$' &); done; exec sleep 1000"
    config = host.config(["sh", "-c", script])
    spaces = config["linux"]["namespaces"]
    config["linux"]["namespaces"] = [each for each in spaces if each["type"] != "pid"]
    monitor = host.remember(await launcher.create("c1", host.options("c1", config)))
    await monitor.start()
    await until(lambda: host.log("c1").read_bytes().count(b"orphan") == 5)
    await handed_over(monitor)
    await monitor.kill(9)
    assert (await bounded(monitor.wait())).signal == 9


# --- terminals ------------------------------------------------------------------------------------


async def test_a_terminal_that_nobody_has_open_wakes_nobody(
    host: Host, launcher: Launcher, tmp_path: Path
) -> None:
    script = "echo up; exec sleep 1000 <&- >&- 2>&-"
    monitor = await host.create(launcher, "c1", ["sh", "-c", script], terminal=True)
    stream = await monitor.attach(stdin=False, stdout=True, stderr=True)
    await monitor.start()
    await read_until(stream, b"up\r\n")
    await until(lambda: descriptors(monitor.pid) == [])
    await until_quiet(lambda: switches(monitor.monitor_pid), seconds=1.0)
    session = await monitor.exec("e1", process(["sh", "-c", "echo again >/dev/pts/0"]), stdin=False)
    assert await bounded(session.wait()) == 0
    assert await read_until(stream, b"again\r\n") == b"again\r\n"
    await read_all(session.stream)
    await monitor.kill(9)
    assert await read_all(stream) == {1: b"", 2: b""}


async def test_a_terminal_goes_on_after_a_hangup(host: Host, launcher: Launcher) -> None:
    """As getty does: vhangup(2) takes the terminal from all who have it open."""
    script = "trap '' HUP; setsid sh -c ':'; exec >&- 2>&- <&-; exec <>/dev/console >&0; echo back"
    monitor = await host.create(launcher, "c1", ["sh", "-c", script], terminal=True)
    stream = await monitor.attach(stdin=False, stdout=True, stderr=True)
    await monitor.start()
    assert b"back" in (await read_all(stream))[1]


@pytest.mark.parametrize("script", ["echo out", "echo out; exec <&- >&- 2>&-; sleep 0.5"])
async def test_a_session_on_a_terminal_ends_with_its_process(
    host: Host, launcher: Launcher, script: str
) -> None:
    """Not when the monitor gives up waiting for whoever else may have the terminal open."""
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    await monitor.start()
    took = []
    for number in range(3):
        args = process(["sh", "-c", script], terminal=True)
        session = await monitor.exec(f"e{number}", args, stdin=False)
        assert await bounded(session.wait()) == 0
        began = time.monotonic()
        assert (await read_all(session.stream))[1] == b"out\r\n"
        took.append(time.monotonic() - began)
    assert min(took) < LINGER / 2


# --- what is open ---------------------------------------------------------------------------------


async def test_program_and_monitor_hold_what_they_need(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    await monitor.start()
    await handed_over(monitor)
    assert descriptors(monitor.pid) == ["/dev/null", "pipe", "pipe"]
    zygote_log = str(host.directory / "run/zygote.log")
    asleep = descriptors(monitor.monitor_pid)
    assert asleep.count(zygote_log) == 1  # standard error, until it has been woken
    for number in range(3):
        session = await monitor.exec(f"e{number}", process(["true"]), stdin=True)
        await read_all(session.stream)
        assert await bounded(session.wait()) == 0
    asleep.remove(zygote_log)  # the builder's log is in its place
    asleep.remove("socket")  # by which the builder's message came
    awake = sorted([*asleep, "anon_inode:[eventpoll]", "pipe", "pipe"])  # its loop
    await until(lambda: descriptors(monitor.monitor_pid) == awake)


async def test_what_was_made_ahead_in_vain_is_no_zombie(host: Host, launcher: Launcher) -> None:
    parent = f"{host.cgroup_parent}/deeper"  # nothing waits in there
    monitor = await host.create(launcher, "c1", ["sleep", "1000"], cgroup_parent=parent)
    try:
        await monitor.start()
        await handed_over(monitor)
    finally:
        await monitor.kill(9)
        await bounded(monitor.wait())
        await monitor.delete()
        for hierarchy in detect().hierarchies:
            if hierarchy.writable:
                Path(hierarchy.base, parent).rmdir()


def test_a_message_larger_than_the_socket_takes_goes_by_file() -> None:
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    ours.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, 1)
    try:
        handover.send(ours, bytes(100_000), (0,))
        data, fds = handover.receive(theirs)
    finally:
        ours.close()
        theirs.close()
    assert (data, len(fds)) == (bytes(100_000), 1)
    os.close(fds[0])


async def test_what_a_killed_zygote_has_left_is_removed_by_the_next(
    host: Host, request: pytest.FixtureRequest
) -> None:
    left, foreign, link = (Path(f"/dev/shm/berth-rehearsal-t{os.getpid()}{n}") for n in "123")
    elsewhere = host.directory / "elsewhere"
    for path in (left, foreign, elsewhere):
        request.addfinalizer(lambda path=path: shutil.rmtree(path, ignore_errors=True))
        path.mkdir()
        (path / "log").write_text("")
    link.symlink_to(elsewhere)
    request.addfinalizer(link.unlink)
    os.chown(foreign, 12345, 12345)
    for path in (left, foreign, elsewhere):
        os.utime(path, (0, 0))
    await host.launcher()
    assert not left.exists()
    assert (foreign / "log").exists() and (elsewhere / "log").exists()


async def test_a_discarded_container_has_no_builder_left(host: Host, launcher: Launcher) -> None:
    """One that was still at work would make again what has just been removed."""
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    path = Path(f"/proc/{monitor.monitor_pid}/task/{monitor.monitor_pid}/children")
    children = [int(word) for word in path.read_text().split()]
    assert monitor.pid in children
    assert len(children) == 2
    for child in children:
        os.kill(child, signal.SIGSTOP)
    await launcher.discard("c1", host.bundle("c1"))
    assert [state.start_time(child) for child in children] == [None, None]
    assert not host.bundle("c1").exists()
