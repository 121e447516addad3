"""Ends around the start, terminals, and what is open once a container was handed over."""

import _socket
import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import (
    CommandNotExecutable,
    CommandNotFound,
    EngineError,
    MonitorLost,
    NotRunning,
)
from engine.runtime import state
from engine.runtime.cgroups import detect
from engine.runtime.launcher import Launcher, read_exit_record
from engine.runtime.monitor import handover
from engine.runtime.monitor.session import LINGER

from .conftest import Host, bounded, process, read_all, read_until, until, until_quiet
from .handed import builder_of, descriptors, handed_over, switches

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
