"""attach, stdin, terminals, and clients that do not keep up."""

import asyncio
import signal

import pytest

from engine.runtime.launcher import Launcher
from engine.runtime.monitor import stdio

from .conftest import Host, bounded, log_text, read_all, read_until, until


async def test_attached_before_start_misses_nothing(host: Host, launcher: Launcher) -> None:
    script = "echo first; echo problem >&2; exit 2"
    monitor = await host.create(launcher, "c1", ["sh", "-c", script])
    stream = await monitor.attach(stdin=False, stdout=True, stderr=True)
    await monitor.start()
    assert await read_all(stream) == {1: b"first\n", 2: b"problem\n"}


async def test_only_the_wanted_stream_comes(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sh", "-c", "echo out; echo err >&2"])
    stream = await monitor.attach(stdin=False, stdout=False, stderr=True)
    await monitor.start()
    assert await read_all(stream) == {1: b"", 2: b"err\n"}


async def test_every_client_gets_everything(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["seq", "20000"])
    streams = [await monitor.attach(stdin=False, stdout=True, stderr=True) for _ in range(3)]
    await monitor.start()
    everything = await asyncio.gather(*map(read_all, streams))
    wanted = "".join(f"{n}\n" for n in range(1, 20001)).encode()
    assert [got[1] for got in everything] == [wanted] * 3


async def test_stdin_reaches_the_program_and_ends(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["cat"], open_stdin=True, stdin_once=True)
    stream = await monitor.attach(stdin=True, stdout=True, stderr=True)
    await monitor.start()
    await stream.write(b"hello\n")
    await read_until(stream, b"hello\n")
    await stream.write_eof()
    assert (await bounded(monitor.wait())).code == 0
    await stream.close()


async def test_much_stdin_is_not_lost(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(
        launcher, "c1", ["sh", "-c", "sleep 0.2; wc -c"], open_stdin=True, stdin_once=True
    )
    stream = await monitor.attach(stdin=True, stdout=True, stderr=True)
    await monitor.start()
    for _ in range(64):
        await stream.write(b"x" * 65536)
    await stream.write_eof()
    assert (await read_all(stream))[1] == b"4194304\n"


async def test_stdin_stays_open_after_a_client_left(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["cat"], open_stdin=True)
    await monitor.start()
    for word in (b"one\n", b"two\n"):
        stream = await monitor.attach(stdin=True, stdout=True, stderr=True)
        await stream.write(word)
        await read_until(stream, word)
        await stream.close()


async def test_stdin_once_ends_with_the_client(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["cat"], open_stdin=True, stdin_once=True)
    await monitor.start()
    stream = await monitor.attach(stdin=True, stdout=True, stderr=True)
    await stream.close()
    assert (await bounded(monitor.wait())).code == 0


async def test_without_stdin_the_program_reads_the_end(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["cat"])
    await monitor.start()
    assert (await bounded(monitor.wait())).code == 0


async def test_a_terminal_is_one(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(
        launcher, "c1", ["sh", "-c", "tty; stty size; cat"], terminal=True, open_stdin=True
    )
    stream = await monitor.attach(stdin=True, stdout=True, stderr=True)
    await monitor.resize(33, 101)
    await monitor.start()
    assert b"/dev/pts/0\r\n33 101\r\n" in await read_until(stream, b"101\r\n")
    await stream.write(b"typed\n")
    await read_until(stream, b"typed\r\ntyped\r\n")
    await stream.write(b"\x04")
    assert (await bounded(monitor.wait())).code == 0
    await stream.close()


async def test_a_resize_reaches_a_running_program(host: Host, launcher: Launcher) -> None:
    script = "trap 'stty size' WINCH; echo up; while :; do sleep 0.01; done"
    monitor = await host.create(launcher, "c1", ["sh", "-c", script], terminal=True)
    stream = await monitor.attach(stdin=False, stdout=True, stderr=False)
    await monitor.start()
    await read_until(stream, b"up")
    await monitor.resize(12, 34)
    await read_until(stream, b"12 34")
    await stream.close()


@pytest.mark.slow
async def test_a_stalled_client_does_not_keep_the_log(host: Host, launcher: Launcher) -> None:
    """It reads nothing: the program waits stdio.STALL seconds for it, then it is dropped."""
    size = 8 << 20
    monitor = await host.create(launcher, "c1", ["sh", "-c", _lines(size)])
    stalled = await monitor.attach(stdin=False, stdout=True, stderr=True)
    await monitor.start()
    async with asyncio.timeout(2 * stdio.STALL + 10):
        await monitor.wait()
    assert len(log_text(host.log("c1"))) == size
    await stalled.close()


async def test_a_slow_client_loses_nothing(host: Host, launcher: Launcher) -> None:
    size = 6 << 20
    monitor = await host.create(launcher, "c1", ["sh", "-c", _lines(size)])
    stream = await monitor.attach(stdin=False, stdout=True, stderr=True)
    await monitor.start()
    await until(lambda: host.log("c1").stat().st_size > 1 << 20)
    assert len((await read_all(stream))[1]) == size
    assert len(log_text(host.log("c1"))) == size


async def test_whoever_has_read_to_the_end_finds_it_in_the_log(
    host: Host, launcher: Launcher
) -> None:
    """The end of a line too, while the program that has closed its output lives on."""
    script = "printf unfinished; exec sleep 60 >&- 2>&-"
    monitor = await host.create(launcher, "c1", ["sh", "-c", script])
    stream = await monitor.attach(stdin=False, stdout=True, stderr=True)
    await monitor.start()
    assert (await read_all(stream))[1] == b"unfinished"
    assert log_text(host.log("c1")) == b"unfinished"
    await stream.close()
    await monitor.kill(signal.SIGKILL)
    await bounded(monitor.wait())


def _lines(size: int) -> str:
    """A script that writes `size` bytes in long lines."""
    return f"yes {'long ' * 200} | head -c {size}"
