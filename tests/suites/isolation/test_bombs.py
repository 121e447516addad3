"""Programs that take all they can get: they end at their limits, and the host goes on."""

import asyncio
import os
import re
from contextlib import suppress
from pathlib import Path

import pytest

from engine.runtime.cgroups import Manager, detect
from engine.runtime.launcher import Monitor
from tests.suites.host import BOUND, Config, bounded, log_text, until

from .box import Box, program

MIB = 1 << 20


def limited(box: Box, args: list[str], **resources: object) -> Config:
    config = box.config(args)
    config["linux"]["resources"] |= resources
    return config


def group_of(monitor: Monitor) -> Manager:
    return Manager(detect(), monitor.cgroup)


async def started(box: Box, args: list[str], processes: int) -> Monitor:
    """Not before the limit is seen to be set: this machine is the one that is bombed."""
    monitor = await box.create(limited(box, args, pids={"limit": processes}))
    assert group_of(monitor).stats().pids.limit == processes
    await monitor.start()
    return monitor


async def assert_gone(monitor: Monitor) -> None:
    """Killed, reaped, deleted, with everything that it started."""
    await monitor.kill(9)
    assert (await bounded(monitor.wait())).code == 137
    await monitor.delete()
    assert not group_of(monitor).exists()
    assert not Path(f"/proc/{monitor.pid}").exists()


FORK_BOMB = """
while True:
    try:
        os.fork()
    except OSError:
        pass
"""


async def test_a_fork_bomb_stays_within_its_number(box: Box) -> None:
    monitor = await started(box, program(FORK_BOMB), 40)
    group = group_of(monitor)
    await until(lambda: group.stats().pids.current == 40)
    child = await asyncio.create_subprocess_exec("true")  # the host still can
    assert await child.wait() == 0
    await assert_gone(monitor)


async def test_an_unbounded_one_is_killed_as_a_whole(box: Box) -> None:
    """Hundreds of processes that multiply while they are being killed."""
    code = "for _ in range(7): os.fork()\nwhile os.fork() >= 0: pass"
    monitor = await started(box, program(code), 400)
    group = group_of(monitor)
    await until(lambda: group.stats().pids.current >= 300)
    await assert_gone(monitor)


MEMORY_BOMB = """
kept = []
while len(kept) < 512:  # megabytes, should nobody stop it
    kept.append(bytearray(b"x") * (1 << 20))
"""


async def test_a_memory_bomb_ends_at_its_limit(box: Box) -> None:
    limit = {"limit": 48 * MIB, "swap": 48 * MIB}
    _, record = await box.finish(limited(box, program(MEMORY_BOMB), memory=limit))
    assert (record.code, record.oom_killed) == (137, True)


FILE_BOMB = """
for directory in ("/dev/shm", "/dev"):
    with open(directory + "/file", "wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 20))
"""


async def test_files_in_memory_are_charged_too(box: Box) -> None:
    """/dev/shm and /dev are bounded by themselves; below that, by the container's memory."""
    assert "No space left" in await box.run(FILE_BOMB)
    limit = {"limit": 32 * MIB, "swap": 32 * MIB}
    config = limited(box, program(FILE_BOMB), memory=limit)
    assert (await box.finish(config))[1].code == 137


DESCRIPTOR_BOMB = """
kept = []
try:
    while True:
        kept.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error:
    print(errno.errorcode[error.errno], max(kept), flush=True)
"""


async def test_a_descriptor_bomb_ends_at_its_limit(box: Box) -> None:
    config = box.config(program(DESCRIPTOR_BOMB))
    limit = {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 100}
    config["process"]["rlimits"] = [limit]
    assert (await box.finish(config))[0] == "EMFILE 99"


RAISE_LIMIT = """
import resource
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000))
    print("worked")
except (OSError, ValueError) as error:
    print("refused")
"""


async def test_a_limit_cannot_be_raised_from_inside(box: Box) -> None:
    config = box.config(program(RAISE_LIMIT))
    config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 100}]
    assert (await box.finish(config))[0] == "refused"
    config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 1000}]
    assert (await box.finish(config))[0] == "worked"


FILE, FILES = MIB, 4


async def test_a_log_bomb_is_bounded_and_holds_up_nobody(box: Box) -> None:
    """On disk never more than the bound; what is kept is the end, without a gap."""
    bomb = await box.create(
        box.config(["seq", "1", "4000000"]), log_max_bytes=FILE, log_max_files=FILES
    )
    path = box.host.log(bomb.id)
    stop = asyncio.Event()
    watching = asyncio.create_task(largest(path, stop))
    await bomb.start()
    async with asyncio.timeout(BOUND):
        said, _ = await box.finish(box.config(["echo", "another"]))
    assert said == "another"
    await bounded(bomb.wait())
    stop.set()
    assert await watching <= FILE * FILES
    numbers = b"".join(log_text(each) for each in files(path)).split()
    assert len(numbers) > 10_000
    first = int(numbers[0])
    assert numbers == [str(n).encode() for n in range(first, 4_000_001)]


def files(path: Path) -> list[Path]:
    """The log's files, the oldest first."""
    older = sorted(path.parent.glob(path.name + ".*"), key=lambda each: -int(each.suffix[1:]))
    return [*older, path]


async def largest(path: Path, stop: asyncio.Event) -> int:
    """The most bytes that the log's files had together."""
    most = 0
    while not stop.is_set():
        total = 0
        for each in path.parent.glob(path.name + "*"):
            with suppress(FileNotFoundError):  # rotated away
                total += each.stat().st_size
        most = max(most, total)
        await asyncio.sleep(0.005)
    return most


async def test_a_line_without_an_end_fills_nothing(box: Box) -> None:
    """A gigabyte-long line, were it held until it ends."""
    code = "for _ in range(64): os.write(1, b'x' * (1 << 20))"
    monitor = await box.start(box.config(program(code)), log_max_bytes=FILE, log_max_files=FILES)
    await bounded(monitor.wait())
    assert sum(each.stat().st_size for each in files(box.host.log(monitor.id))) <= FILE * FILES


IGNORES = "trap '' TERM INT HUP; echo up; while :; do sleep 0.05; done"


async def test_who_ignores_signals_is_killed_all_the_same(box: Box) -> None:
    monitor = await box.start(box.config(["sh", "-c", IGNORES]))
    await until(lambda: box.host.log(monitor.id).read_bytes())
    for number in (15, 2, 1):
        await monitor.kill(number)
    assert box.log(monitor) == "up\n" and Path(f"/proc/{monitor.pid}").exists()
    await assert_gone(monitor)


async def test_the_first_process_is_not_ended_by_what_it_does_not_handle(box: Box) -> None:
    """Of its own namespace it is the init, whom the kernel spares; SIGKILL from outside works."""
    monitor = await box.start(box.config(["sleep", "1000"]))
    await box.exec(monitor, ["kill", "-9", "1"])
    assert Path(f"/proc/{monitor.pid}").exists()
    await assert_gone(monitor)


ZOMBIES = """
for _ in range(200):
    if os.fork() == 0:
        if os.fork():
            os._exit(0)
        os._exit(0)
print("made", flush=True)
import time
while True: time.sleep(1000)
"""


async def test_zombies_are_gone_with_their_factory(box: Box) -> None:
    """Children nobody waits for, and orphans that its first process does not reap."""
    monitor = await started(box, program(ZOMBIES), 600)
    await until(lambda: "made" in box.log(monitor))
    group = group_of(monitor)
    await until(lambda: group.stats().pids.current == 401)
    before = zombies()
    await assert_gone(monitor)
    assert zombies() <= before


def zombies() -> int:
    """Children of this process that have ended and were not waited for."""
    return sum(
        status(pid) == ("Z", os.getpid()) for pid in filter(str.isdigit, os.listdir("/proc"))
    )


def is_alive(pid: int) -> bool:
    return status(pid)[0] not in ("", "Z", "X")


def status(pid: int | str) -> tuple[str, int]:
    """(state, parent) as proc(5) has them; an empty state when there is no such process."""
    try:
        after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    return after[0], int(after[1])


DAEMON = """
def daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 100)
            os.execv("/bin/sleep", ["sleep", "4242"])
        os._exit(0)
    os.wait()
for _ in range(5): daemon()
print("started", flush=True)
import time
while True: time.sleep(1000)
"""


@pytest.mark.parametrize("kinds", [["pid", "mount"], ["mount"]], ids=["own pids", "the host's"])
async def test_daemons_end_with_the_container(box: Box, kinds: list[str]) -> None:
    """Twice forked, of sessions of their own; without a pid namespace the cgroup finds them."""
    spaces = [{"type": kind} for kind in kinds]
    monitor = await box.start(box.config(program(DAEMON), namespaces=spaces))
    await until(lambda: "started" in box.log(monitor))
    await assert_six_gone(monitor)


async def assert_six_gone(monitor: Monitor) -> None:
    group = group_of(monitor)
    await until(lambda: len(group.pids()) == 6)
    members = group.pids()
    await assert_gone(monitor)
    assert not [pid for pid in members if is_alive(pid)]


async def test_a_daemon_of_an_exec_ends_with_the_container(box: Box) -> None:
    monitor = await box.start(box.config(["sleep", "1000"]))
    await box.exec(monitor, program(DAEMON.partition("print")[0]))
    await assert_six_gone(monitor)


async def test_an_exit_takes_the_daemons_along(box: Box) -> None:
    """It is the first process's end, not a kill."""
    code = re.sub(r"import time.*", "", DAEMON, flags=re.DOTALL)
    monitor = await box.start(box.config(program(code)))
    assert (await bounded(monitor.wait())).code == 0
    group = group_of(monitor)
    await until(lambda: not group.exists() or not group.pids())
