"""Containers that live: frozen and thawed, changed, counted, and told about."""

import asyncio

import pytest

from engine.errors import EngineError
from engine.runtime.launcher import AttachedStream, Monitor
from tests.suites.host import bounded, process, read_all, until

from .cage import HOLD, KEEP, MIB, SPIN, TAKE, Cage, Cgroup, Told

pytestmark = pytest.mark.asyncio(loop_scope="module")

TICK = "while :; do echo tick; done"


async def drained(stream: AttachedStream) -> None:
    """Read what has come so far; whoever writes faster than this reads has not stopped."""
    try:
        while True:
            async with asyncio.timeout(0.2):
                assert await stream.read() is not None
    except TimeoutError:
        return


async def test_frozen_it_stands_still(cage: Cage) -> None:
    monitor = await cage.started(SPIN)
    cgroup = Cgroup(monitor.pid)
    await until(lambda: cgroup.cpu_ns() > 20_000_000)
    await monitor.pause()
    used = cgroup.cpu_ns()
    await asyncio.sleep(0.15)  # for this long it does nothing
    assert cgroup.cpu_ns() == used
    await monitor.resume()
    await until(lambda: cgroup.cpu_ns() > used + 20_000_000)


async def test_who_was_executed_in_it_is_frozen_too(cage: Cage) -> None:
    monitor = await cage.started(HOLD)
    session = await monitor.exec("e1", process(["sh", "-c", TICK]), stdin=False)
    assert await bounded(session.stream.read())
    await monitor.pause()
    await drained(session.stream)
    await monitor.resume()
    assert await bounded(session.stream.read())
    await session.kill(9)
    await read_all(session.stream)
    await bounded(session.wait())


async def test_what_is_frozen_can_be_killed(cage: Cage) -> None:
    monitor = await cage.started(SPIN)
    await monitor.pause()
    await monitor.kill(9)
    assert (await bounded(monitor.wait())).code == 137


async def test_limits_of_the_frozen_can_be_changed(cage: Cage) -> None:
    monitor = await cage.started(HOLD)
    await monitor.pause()
    await monitor.update({"pids": {"limit": 12}})
    assert Cgroup(monitor.pid).read("pids.max", "pids.max") == "12"
    await monitor.resume()


async def test_what_is_not_asked_for_stays(cage: Cage) -> None:
    memory = {"limit": 64 * MIB, "swap": 64 * MIB}
    cpu = {"quota": 20_000, "period": 50_000, "cpus": "0"}
    monitor = await cage.started(HOLD, memory=memory, pids={"limit": 30}, cpu=cpu)
    await monitor.update({"pids": {"limit": 31}})
    cgroup = Cgroup(monitor.pid)
    assert cgroup.read("pids.max", "pids.max") == "31"
    assert cgroup.number("memory.limit_in_bytes", "memory.max") == 64 * MIB
    assert cgroup.read("cpuset.cpus", "cpuset.cpus") == "0"
    assert cgroup.read("cpu.cfs_quota_us", "cpu.max").split()[0] == "20000"


async def test_everything_is_changed_at_once(cage: Cage) -> None:
    monitor = await cage.started(HOLD, pids={"limit": 30})
    memory = {"limit": 64 * MIB, "swap": 80 * MIB, "reservation": 16 * MIB}
    cpu = {"quota": 30_000, "period": 60_000, "shares": 2048, "cpus": "0"}
    await monitor.update({"memory": memory, "cpu": cpu, "pids": {"limit": 40}})
    cgroup = Cgroup(monitor.pid)
    assert cgroup.read("pids.max", "pids.max") == "40"
    assert cgroup.number("memory.limit_in_bytes", "memory.max") == 64 * MIB
    assert cgroup.number("memory.soft_limit_in_bytes", "memory.low") == 16 * MIB
    assert cgroup.read("cpu.cfs_quota_us", "cpu.max").split()[0] == "30000"
    assert cgroup.number("cpu.shares", "cpu.weight") in {2048, 79}
    assert cgroup.read("cpuset.cpus", "cpuset.cpus") == "0"


async def test_a_change_that_is_refused_ends_nothing(cage: Cage) -> None:
    monitor = await cage.started(HOLD, cpu={"cpus": "0"})
    with pytest.raises(EngineError, match="cpuset"):
        await monitor.update({"cpu": {"cpus": "4000"}})
    assert Cgroup(monitor.pid).read("cpuset.cpus", "cpuset.cpus") == "0"


async def test_the_ended_cannot_be_changed(cage: Cage) -> None:
    monitor = await cage.started("true")
    await bounded(monitor.wait())
    with pytest.raises(EngineError):
        await monitor.update({"pids": {"limit": 12}})


async def test_what_is_used_is_counted(cage: Cage) -> None:
    """As the runtime tells it; it need not be exact, it is of this container."""
    memory = {"limit": 128 * MIB, "swap": 128 * MIB}
    script = f"{KEEP.format(mib=24)} & {SPIN}"
    monitor = await cage.started(script, memory=memory, pids={"limit": 50})
    cgroup = Cgroup(monitor.pid)
    await until(lambda: cgroup.cpu_ns() > 100_000_000)
    await until(lambda: cgroup.number("memory.usage_in_bytes", "memory.current") > 24 * MIB)
    usage = await cage.usage(monitor)
    assert usage.cpu_ns > 100_000_000
    assert 24 * MIB < usage.memory < 64 * MIB
    assert usage.memory_limit == 128 * MIB
    assert (usage.pids, usage.pids_limit) == (3, 50)


async def taking(cage: Cage, mib: int, *, limit: int) -> tuple[Monitor, AttachedStream, Told]:
    """A container that takes so much memory, tells how that went, and waits for a line."""
    memory = {"limit": limit * MIB, "swap": limit * MIB}
    config = cage.config(f"read go; {TAKE.format(mib=mib)}; echo $?; read end", memory=memory)
    monitor = await cage.made(config, open_stdin=True, stdin_once=True)
    stream = await monitor.attach(stdin=True, stdout=True, stderr=True)
    await monitor.start()
    told = Told()
    await told.follow(monitor)
    await stream.write(b"go\n")
    return monitor, stream, told


async def test_a_kill_for_memory_is_told(cage: Cage) -> None:
    _, stream, told = await taking(cage, 128, limit=32)
    assert await bounded(stream.read()) == (1, b"137\n")
    await until(lambda: "oom" in told.names)
    await stream.close()


async def test_a_container_without_trouble_tells_of_none(cage: Cage) -> None:
    monitor, stream, told = await taking(cage, 8, limit=64)
    assert await bounded(stream.read()) == (1, b"0\n")
    await stream.write(b"end\n")
    await bounded(monitor.wait())
    assert "oom" not in told.names
    await stream.close()
