"""Memory limits of containers, on every runtime: what the kernel was told, and what it does."""

from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.runtime.cgroups import files
from tests.suites.host import bounded, until

from .cage import HOLD, KEEP, MIB, TAKE, Cage, Cgroup, version_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMITED = {"limit": 64 * MIB, "swap": 96 * MIB, "reservation": 32 * MIB}
SMALL = {"limit": 32 * MIB, "swap": 32 * MIB}
GROW = "a=xxxxxxxx; while [ ${#a} -lt 20000000 ]; do a=$a$a; done; echo grown; sleep 1000"
"""By the program's own hands: a system call that finds no memory fails instead of waiting."""


async def test_limits_reach_the_kernel(cage: Cage) -> None:
    """v1 counts memory and swap together, v2 swap alone: OCI's `swap` is the former."""
    cgroup = Cgroup((await cage.started(HOLD, memory=LIMITED)).pid)
    assert cgroup.number("memory.limit_in_bytes", "memory.max") == 64 * MIB
    assert cgroup.number("memory.soft_limit_in_bytes", "memory.low") == 32 * MIB
    together = cgroup.file("memory.memsw.limit_in_bytes", "")
    expected = 96 * MIB if together else 32 * MIB
    assert cgroup.number("memory.memsw.limit_in_bytes", "memory.swap.max") == expected


async def test_what_takes_more_is_killed(cage: Cage) -> None:
    config = cage.host.config(TAKE.format(mib=128).split()[:5], resources={"memory": SMALL})
    _, record = await cage.finished(config)
    assert (record.code, record.oom_killed) == (137, True)


async def test_what_takes_less_is_left_alone(cage: Cage) -> None:
    assert await cage.said(f"{TAKE.format(mib=16)}; echo fine", memory=SMALL) == "fine"


async def test_another_process_is_killed_alone(cage: Cage) -> None:
    script = f"{TAKE.format(mib=128)}; echo code $?"
    assert await cage.said(script, memory=SMALL) == "code 137"


async def test_without_the_killer_it_waits_for_memory(cage: Cage) -> None:
    """v1 only: v2 has no such thing, and runtimes leave it out there."""
    memory = SMALL | {"disableOOMKiller": True}
    monitor = await cage.made(cage.config(GROW, memory=memory))
    stream = await monitor.attach(stdin=False, stdout=True, stderr=True)
    await monitor.start()
    cgroup = Cgroup(monitor.pid)
    if cgroup.file("memory.oom_control", "") is None:
        assert cgroup.number("", "memory.max") == 32 * MIB
        await stream.close()
        return
    assert cgroup.table("memory.oom_control", "")["oom_kill_disable"] == 1
    await until(lambda: cgroup.table("memory.oom_control", "")["under_oom"] == 1)
    await monitor.update({"memory": {"limit": 256 * MIB, "swap": 256 * MIB}})
    assert await bounded(stream.read()) == (1, b"grown\n")
    assert cgroup.table("memory.oom_control", "")["under_oom"] == 0
    await stream.close()


async def test_the_inclination_to_swap(cage: Cage) -> None:
    """v1 only, as above."""
    monitor = await cage.started(HOLD, memory=SMALL | {"swappiness": 7})
    path = Cgroup(monitor.pid).file("memory.swappiness", "memory.max")
    assert path is not None
    assert path.read_text().strip() == ("7" if path.name == "memory.swappiness" else f"{32 * MIB}")


async def test_what_does_not_fit_goes_to_swap(cage: Cage) -> None:
    free = files.table(Path("/proc/meminfo").read_text().replace(":", "").replace(" kB", ""))
    if free["SwapFree"] < 1 << 16:
        pytest.skip("needs 64 MB of free swap")
    memory = {"limit": 32 * MIB, "swap": 96 * MIB}
    script = f"{TAKE.format(mib=56)}; echo $?; {TAKE.format(mib=120)}; echo $?"
    assert (await cage.said(script, memory=memory)).split() == ["0", "137"]


async def test_above_high_it_is_held_back_not_killed(cage: Cage) -> None:
    """A file of v2; where the controller is v1's there is none, and that is refused."""
    config = cage.config(KEEP.format(mib=64))
    wanted = {"memory.high": str(24 * MIB), "memory.swap.max": "0"}
    config["linux"]["resources"] = {"unified": wanted}
    if version_of("memory") != 2:
        with pytest.raises(EngineError, match=r"(?i)unified"):
            await cage.made(config)
        return
    monitor = await cage.made(config)
    await monitor.start()
    cgroup = Cgroup(monitor.pid)
    assert cgroup.number("", "memory.high") == 24 * MIB
    await until(lambda: cgroup.table("", "memory.events")["high"] > 0)
    assert cgroup.table("", "memory.events")["oom_kill"] == 0


async def test_limits_move_up_and_down(cage: Cage) -> None:
    monitor = await cage.started(HOLD, memory=SMALL)
    cgroup = Cgroup(monitor.pid)
    for mib in (64, 256, 48):
        await monitor.update({"memory": {"limit": mib * MIB, "swap": mib * MIB}})
        assert cgroup.number("memory.limit_in_bytes", "memory.max") == mib * MIB
    await monitor.update({"memory": {"limit": -1, "swap": -1}})
    text = cgroup.read("memory.limit_in_bytes", "memory.max")
    assert text == "max" or int(text) >= files.UNLIMITED


async def test_a_raised_limit_is_felt(cage: Cage) -> None:
    config = cage.config(f"read go; {TAKE.format(mib=64)}; echo $?", memory=SMALL)
    monitor = await cage.made(config, open_stdin=True, stdin_once=True)
    stream = await monitor.attach(stdin=True, stdout=True, stderr=True)
    await monitor.start()
    await monitor.update({"memory": {"limit": 128 * MIB, "swap": 128 * MIB}})
    await stream.write(b"go\n")
    assert await bounded(stream.read()) == (1, b"0\n")
    await stream.close()


async def test_a_limit_below_what_is_in_use_is_refused(cage: Cage) -> None:
    """v1 refuses by itself; v2 would kill, so OCI has `checkBeforeUpdate`."""
    memory = {"limit": 128 * MIB, "swap": 128 * MIB}
    monitor = await cage.started(KEEP.format(mib=48), memory=memory)
    cgroup = Cgroup(monitor.pid)
    names = ("memory.usage_in_bytes", "memory.current")
    await until(lambda: cgroup.number(*names) > 48 * MIB)
    with pytest.raises(EngineError, match="memory"):
        await monitor.update({"memory": SMALL | {"checkBeforeUpdate": True}})
    assert cgroup.number("memory.limit_in_bytes", "memory.max") == 128 * MIB
