"""Processors of containers, on every runtime: how much, how often, which, and before whom."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.runtime.cgroups import Layout, Manager, detect, files
from tests.suites.host import until

from .cage import HOLD, SPIN, Cage, Cgroup

pytestmark = pytest.mark.asyncio(loop_scope="module")

THROTTLED = {"quota": 10_000, "period": 100_000}


async def test_limits_reach_the_kernel(cage: Cage) -> None:
    cpu = {"shares": 512, "quota": 12_000, "period": 40_000}
    cgroup = Cgroup((await cage.started(HOLD, cpu=cpu)).pid)
    if cgroup.file("cpu.shares", ""):
        assert cgroup.number("cpu.shares", "") == 512
        assert cgroup.number("cpu.cfs_quota_us", "") == 12_000
        assert cgroup.number("cpu.cfs_period_us", "") == 40_000
    else:
        assert cgroup.number("", "cpu.weight") == 20  # of 1..10000, as 512 is of 2..262144
        assert cgroup.read("", "cpu.max") == "12000 40000"


@pytest.mark.timing
async def test_a_quota_is_not_exceeded(cage: Cage) -> None:
    cgroup = Cgroup((await cage.started(SPIN, cpu=THROTTLED)).pid)
    stat = ("cpu.stat", "cpu.stat")
    await until(lambda: cgroup.table(*stat)["nr_throttled"] > 0)
    used, began = cgroup.cpu_ns(), time.monotonic_ns()
    await until(lambda: time.monotonic_ns() - began > 600_000_000)
    assert (cgroup.cpu_ns() - used) / (time.monotonic_ns() - began) < 0.15


async def test_a_quota_of_the_living_comes_and_goes(cage: Cage) -> None:
    """At a hundredth of a processor the end of this would take for ever."""
    monitor = await cage.started(SPIN)
    cgroup = Cgroup(monitor.pid)
    await until(lambda: cgroup.cpu_ns() > 20_000_000)
    await monitor.update({"cpu": {"quota": 1000, "period": 100_000}})
    await until(lambda: cgroup.table("cpu.stat", "cpu.stat")["nr_throttled"] > 0)
    await monitor.update({"cpu": {"quota": -1}})
    used = cgroup.cpu_ns()
    await until(lambda: cgroup.cpu_ns() > used + 150_000_000)


async def test_a_burst_beyond_the_quota(cage: Cage) -> None:
    names = ("cpu.cfs_burst_us", "cpu.max.burst")
    monitor = await cage.started(HOLD, cpu=THROTTLED | {"burst": 5000})
    cgroup = Cgroup(monitor.pid)
    assert cgroup.number(*names) == 5000
    await monitor.update({"cpu": {"burst": 0}})
    assert cgroup.number(*names) == 0


async def test_an_idle_one(cage: Cage) -> None:
    monitor = await cage.started(HOLD, cpu={"idle": 1})
    cgroup = Cgroup(monitor.pid)
    assert cgroup.number("cpu.idle", "cpu.idle") == 1
    await monitor.update({"cpu": {"idle": 0}})
    assert cgroup.number("cpu.idle", "cpu.idle") == 0


@pytest.mark.timing
async def test_shares_are_kept_between_neighbours(cage: Cage) -> None:
    cpus = {"cpus": "0"}
    both = [
        Cgroup((await cage.started(SPIN, name, cpu=cpus | {"shares": shares})).pid)
        for name, shares in (("c1", 4096), ("c2", 512))
    ]
    before = [cgroup.cpu_ns() for cgroup in both]
    await until(lambda: both[0].cpu_ns() - before[0] > 700_000_000)
    more, less = (now.cpu_ns() - then for now, then in zip(both, before, strict=True))
    assert more / less > 3


async def test_the_processors_of_a_set(cage: Cage) -> None:
    shown = "grep -h _allowed_list: /proc/self/status"
    cpu = {"cpus": "0", "mems": "0"}
    assert (await cage.said(shown, cpu=cpu)).split() == [
        *("Cpus_allowed_list:", "0", "Mems_allowed_list:", "0")
    ]


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two processors")
async def test_the_processors_of_the_living_change(cage: Cage) -> None:
    monitor = await cage.started(HOLD, cpu={"cpus": "0-1"})
    await monitor.update({"cpu": {"cpus": "1"}})
    await until(lambda: os.sched_getaffinity(monitor.pid) == {1})


async def test_a_processor_that_is_not_there_is_refused(cage: Cage) -> None:
    with pytest.raises(EngineError, match="cpuset"):
        await cage.started(HOLD, cpu={"cpus": "4000"})
    group = Manager(detect(), f"{cage.host.cgroup_parent}/c1")
    await until(lambda: not group.exists())


@pytest.fixture
def budget(cgroup_parent: str) -> None:
    """Real time for the parent of the containers, which has to come from above.

    It goes with that cgroup.
    """
    layout = detect()
    group = Manager(layout, cgroup_parent)
    found = group.find("cpu", "")
    if found is None or not _has_realtime(layout):
        pytest.skip("needs a kernel with CONFIG_RT_GROUP_SCHED and the cpu controller of v1")
    Path(found[1]).mkdir(exist_ok=True)
    files.write(f"{found[1]}/cpu.rt_runtime_us", "100000")


def _has_realtime(layout: Layout) -> bool:
    found = layout.find("cpu")
    return found is not None and Path(found.base, "cpu.rt_runtime_us").exists()


REALTIME = {"realtimeRuntime": 5000, "realtimePeriod": 100_000}


@pytest.mark.usefixtures("budget")
async def test_real_time_of_a_budget(cage: Cage) -> None:
    monitor = await cage.started(HOLD, cpu=REALTIME)
    cgroup = Cgroup(monitor.pid)
    assert cgroup.number("cpu.rt_runtime_us", "") == 5000
    await asyncio.to_thread(_make_realtime, monitor.pid)
    assert os.sched_getscheduler(monitor.pid) == os.SCHED_FIFO


@pytest.mark.usefixtures("budget")
async def test_without_a_budget_there_is_no_real_time(cage: Cage) -> None:
    monitor = await cage.started(HOLD)
    with pytest.raises(PermissionError):
        _make_realtime(monitor.pid)


def _make_realtime(pid: int) -> None:
    os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))
