"""Limits that few ask for, each proved by what it does to a process where the machine can."""

import errno
import os
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import InvalidArgument
from engine.runtime.cgroups import Layout, Manager, Rdma, Resources, files
from tests.conftest import eventually
from tests.suites.cgroups.conftest import PARENT, Start, needs
from tests.suites.cgroups.test_limits import BURN, FORK, WAIT, output

pytestmark = pytest.mark.root
MIB = 1 << 20

HOG = "hog = bytearray({size})\nfor i in range(0, len(hog), 4096): hog[i] = 1\n"
REALTIME = """
import os
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
except OSError as error:
    print(error.errno, flush=True)
else:
    print(0, flush=True)
"""
HUGE = """
import mmap
held = []
try:
    for _ in range(2):
        held.append(mmap.mmap(-1, 2 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000))
        held[-1][0] = 1
except OSError as error:
    print(len(held), error.errno, flush=True)
else:
    print(len(held), 0, flush=True)
"""


def content(group: Manager, name: str, controller: str) -> str:
    """A file of the controller, which has one name in both versions."""
    found = group.find(controller, controller)
    assert found is not None
    return files.read(f"{found[1]}/{name}").strip()


def needs_v2(group: Manager, name: str) -> None:
    if not group.unified or not os.path.exists(f"{group.unified}/{name}"):
        pytest.skip(f"needs {name} of cgroup v2")


@pytest.fixture
def pair(layout: Layout) -> Iterator[tuple[Manager, Manager]]:
    """Two cgroups side by side on one CPU."""
    needs(layout, "cpu", "cpu")
    needs(layout, "cpuset", "cpuset")
    groups = Manager(layout, f"{PARENT}/left"), Manager(layout, f"{PARENT}/right")
    for group in groups:
        group.create()
        group.apply(Resources(cpuset_cpus="0"))
    yield groups
    for group in groups:
        group.kill()
        group.remove()
    Manager(layout, PARENT).remove()


def race(left: Manager, right: Manager, seconds: float = 1.5) -> float:
    """How many times more CPU the left one gets while both want all of it."""
    children = []
    for group in (left, right):
        child = subprocess.Popen(
            ["sh", "-c", "read go; while :; do :; done"], stdin=subprocess.PIPE
        )
        group.attach(child.pid)
        children.append(child)
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.close()
    try:
        eventually(lambda: left.stats().cpu.total_ns > seconds * 1e9, seconds=30)
        return left.stats().cpu.total_ns / right.stats().cpu.total_ns
    finally:
        for child in children:
            child.kill()
            child.wait()


def test_shares_are_kept_between_neighbours(pair: tuple[Manager, Manager]) -> None:
    left, right = pair
    left.apply(Resources(cpu_shares=4096))
    right.apply(Resources(cpu_shares=1024))
    assert 2.5 < race(left, right) < 6


def test_an_idle_one_gets_what_others_leave(pair: tuple[Manager, Manager]) -> None:
    left, right = pair
    needs_file(right, "cpu.idle", "cpu")
    assert right.apply(Resources(cpu_shares=1024, cpu_idle=1)) == []
    assert content(right, "cpu.idle", "cpu") == "1"
    assert race(left, right) > 8


def needs_file(group: Manager, name: str, controller: str) -> None:
    found = group.find(controller, controller)
    if found is None or not os.path.exists(f"{found[1]}/{name}"):
        pytest.skip(f"needs {name}")


def test_idle_ends_before_a_weight_is_set(group: Manager, layout: Layout) -> None:
    needs(layout, "cpu", "cpu")
    needs_file(group, "cpu.idle", "cpu")
    group.apply(Resources(cpu_idle=1))
    with pytest.raises(InvalidArgument, match=r"linux.resources.cpu.shares: cpu\.\w+ does not"):
        group.apply(Resources(cpu_shares=512))
    assert group.apply(Resources(cpu_idle=0, cpu_shares=512)) == []
    assert content(group, "cpu.idle", "cpu") == "0"


@pytest.mark.parametrize("quotas", [(50_000, 20_000), (20_000, 50_000)], ids=["down", "up"])
def test_burst_goes_up_and_down_with_the_quota(
    group: Manager, layout: Layout, quotas: tuple[int, int]
) -> None:
    needs(layout, "cpu", "cpu")
    name = "cpu.cfs_burst_us" if group.find("cpu", "cpu") == (1, _cpu(group)) else "cpu.max.burst"
    needs_file(group, name, "cpu")
    for quota in quotas:
        wanted = Resources(cpu_quota=quota, cpu_period=100_000, cpu_burst=quota)
        assert group.apply(wanted) == []
        assert content(group, name, "cpu") == str(quota)
    with pytest.raises(InvalidArgument, match=r"linux.resources.cpu.burst: cpu\..*burst"):
        group.apply(Resources(cpu_burst=quotas[1] * 2))


def _cpu(group: Manager) -> str:
    return (group.find("cpu", "cpu") or (0, ""))[1]


def test_real_time_needs_a_budget_from_above(group: Manager, layout: Layout, start: Start) -> None:
    needs(layout, "cpu", "cpu")
    wanted = Resources(realtime_runtime=5_000, realtime_period=100_000)
    if not os.path.exists(f"{_cpu(group)}/cpu.rt_runtime_us"):
        (warning,) = group.apply(wanted)
        assert "real-time" in warning
        return
    with pytest.raises(InvalidArgument, match=r"cpu.realtime\w+: cpu.rt_\w+_us does not take"):
        group.apply(wanted)
    assert output(start(REALTIME)) == f"{errno.EPERM}\n"
    files.write(f"{os.path.dirname(_cpu(group))}/cpu.rt_runtime_us", "100000")
    assert group.apply(wanted) == []
    assert output(start(REALTIME)) == "0\n"


def test_a_cpu_that_is_not_there_is_named(group: Manager, layout: Layout) -> None:
    needs(layout, "cpuset", "cpuset")
    with pytest.raises(InvalidArgument, match=r"linux.resources.cpu.cpus: cpuset.cpus does not"):
        group.apply(Resources(cpuset_cpus="x"))


def test_memory_above_high_is_held_back_not_killed(group: Manager, start: Start) -> None:
    needs_v2(group, "memory.high")
    group.apply(Resources(unified=(("memory.high", str(24 * MIB)), ("memory.swap.max", "0"))))
    start(HOG.format(size=64 * MIB) + WAIT)
    events = f"{group.unified}/memory.events"
    eventually(lambda: files.table(files.read(events))["high"] > 0)
    assert group.oom_kills() == 0
    stats = group.stats()
    assert stats.pressure is not None
    eventually(lambda: (group.stats().pressure or stats.pressure).memory.some_us > 0)


def test_an_oom_group_dies_together(group: Manager, start: Start) -> None:
    needs_v2(group, "memory.oom.group")
    group.apply(Resources(memory=32 * MIB, memory_swap=32 * MIB))
    group.apply(Resources(unified=(("memory.oom.group", "1"),)))
    bystander = start(WAIT)
    assert output(bystander) == "ready\n"
    assert start(HOG.format(size=128 * MIB)).wait(60) == -9
    assert bystander.wait(60) == -9


def test_what_does_not_fit_memory_goes_to_swap(
    group: Manager, start: Start, layout: Layout
) -> None:
    needs(layout, "memory", "memory")
    if (
        files.table(Path("/proc/meminfo").read_text().replace(" kB", "")).get("SwapFree:", 0)
        < 65536
    ):
        pytest.skip("needs 64 MB of free swap")
    group.apply(Resources(memory=32 * MIB, memory_swap=96 * MIB))
    assert output(start(HOG.format(size=56 * MIB) + WAIT)) == "ready\n"
    assert group.stats().memory.swap > 16 * MIB
    assert group.oom_kills() == 0


def test_a_total_alone_counts_from_the_limit_there_is(group: Manager, layout: Layout) -> None:
    needs(layout, "memory", "memory")
    group.apply(Resources(memory=64 * MIB))
    assert group.apply(Resources(memory_swap=80 * MIB)) == []
    assert group.stats().memory.swap_limit in {16 * MIB, None}  # None: swap is not accounted for


def test_a_limit_below_what_is_in_use_is_refused_when_asked_to(
    group: Manager, start: Start, layout: Layout
) -> None:
    needs(layout, "memory", "memory")
    child = start(HOG.format(size=32 * MIB) + WAIT)
    assert output(child) == "ready\n"
    with pytest.raises(InvalidArgument, match=r"memory.limit: memory limit .* is below"):
        group.apply(Resources(memory=8 * MIB, memory_swap=8 * MIB, check_before_update=True))
    assert child.poll() is None


def test_limits_of_the_living_move(group: Manager, start: Start, layout: Layout) -> None:
    needs(layout, "pids", "pids")
    group.apply(Resources(pids_limit=3))
    first = start(FORK)
    assert output(first).split() == ["2", str(errno.EAGAIN)]
    group.apply(Resources(pids_limit=6))
    assert output(start(FORK)).split() == ["2", str(errno.EAGAIN)]


def test_a_raised_quota_is_felt_at_once(group: Manager, start: Start, layout: Layout) -> None:
    needs(layout, "cpu", "cpu")
    group.apply(Resources(cpu_quota=1_000, cpu_period=100_000))
    child = start(BURN.format(seconds=0.5))
    eventually(lambda: group.stats().cpu.throttled_periods > 0)
    group.apply(Resources(cpu_quota=-1))
    assert child.wait(60) == 0


def test_huge_pages_beyond_the_limit_are_refused(
    group: Manager, layout: Layout, start: Start, driver: str
) -> None:
    needs(layout, "hugetlb", "hugetlb")
    size = "2MB"
    before = _subtree(layout)
    try:
        assert group.apply(Resources(hugepages=((size, 2 * MIB),))) == []
        version, directory = group.find("hugetlb", "hugetlb") or (0, "")
        name = f"hugetlb.{size}.{'limit_in_bytes' if version == 1 else 'max'}"
        assert files.read(f"{directory}/{name}").strip() == str(2 * MIB)
        with pytest.raises(InvalidArgument, match="no huge pages of 3MB"):
            group.apply(Resources(hugepages=(("3MB", 1),)))
        free = files.number(f"/sys/kernel/mm/hugepages/hugepages-{2 * MIB >> 10}kB/free_hugepages")
        if free and free >= 2:  # without any, every mapping is refused
            assert output(start(HUGE)).split() == ["1", str(errno.ENOMEM)]
    finally:
        if driver == "cgroupfs":  # the other is systemd's to tidy up
            _restore(layout, before, group)


def _subtree(layout: Layout) -> list[str]:
    base = layout.unified.base if layout.unified else ""
    return files.read_if_there(f"{base}/cgroup.subtree_control").split() if base else []


def _restore(layout: Layout, before: list[str], group: Manager) -> None:
    """Leave the root of the machine's tree as it was found."""
    if layout.unified is None:
        return
    group.kill()
    group.remove()
    Manager(layout, PARENT).remove()
    for name in set(_subtree(layout)) - set(before):
        files.write(f"{layout.unified.base}/cgroup.subtree_control", f"-{name}")


def test_an_rdma_device_that_is_not_there_is_named(group: Manager, layout: Layout) -> None:
    wanted = Resources(rdma=(Rdma("mlx9_9", 1, None),))
    if group.find("rdma", "rdma") is None:
        (warning,) = group.apply(wanted)
        assert "RDMA" in warning
        return
    with pytest.raises(InvalidArgument, match=r"linux.resources.rdma.mlx9_9: rdma.max does not"):
        group.apply(wanted)


@pytest.mark.parametrize("name", ["memory.nonsense", "nothing.max"])
def test_a_unified_file_that_is_not_there_is_named(group: Manager, name: str) -> None:
    with pytest.raises(InvalidArgument, match=name):
        group.apply(Resources(unified=((name, "1"),)))


@pytest.mark.parametrize("name", ["cgroup.procs", "../memory.max"])
def test_a_unified_file_is_a_limit_of_this_cgroup(group: Manager, name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"linux\.resources\.unified"):
        group.apply(Resources(unified=((name, "1"),)))


def test_a_unified_value_the_kernel_refuses_is_named(group: Manager) -> None:
    needs_v2(group, "memory.high")
    with pytest.raises(InvalidArgument, match=r"unified.memory.high: memory.high does not take"):
        group.apply(Resources(unified=(("memory.high", "much"),)))


def test_the_end_of_the_last_process_is_told(group: Manager, start: Start) -> None:
    child = start(WAIT)
    assert output(child) == "ready\n"
    assert group.populated()
    watch = group.population_fd()
    if watch is None:
        assert group.layout.mode == "v1"
        child.kill()
        eventually(lambda: not group.populated())
        return
    try:
        assert not select.select([watch], [], [], 0)[0]
        child.kill()
        assert select.select([watch], [], [], 20)[0]
        eventually(lambda: not group.populated())
    finally:
        os.close(watch)
