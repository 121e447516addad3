"""Making, freezing, emptying and removing."""

import os
import select
import subprocess

import pytest

from engine.errors import AlreadyInUse, InvalidArgument
from engine.runtime.cgroups import DeviceRule, Layout, Manager, Rate, Resources
from tests.conftest import eventually
from tests.suites.cgroups.conftest import PARENT, Start, needs

pytestmark = pytest.mark.root

TICK = """
import os
while True: os.write(1, b"x")
"""
FAMILY = """
import os
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
print(os.getpid(), flush=True)
sys.stdin.read()
while True: os.sched_yield()
"""


def moves(child: "subprocess.Popen[str]", seconds: float) -> bool:
    """Whether the program writes anything within the time, after what it wrote before."""
    assert child.stdout is not None
    fd = child.stdout.fileno()
    os.set_blocking(fd, False)
    while select.select([fd], [], [], 0)[0]:
        os.read(fd, 1 << 20)
    return bool(select.select([fd], [], [], seconds)[0])


def test_it_is_made_and_removed_everywhere(group: Manager) -> None:
    assert all(os.path.isdir(directory) for directory in group.directories())
    group.remove()
    assert not group.exists()
    assert not any(os.path.isdir(directory) for directory in group.directories())


def test_removing_twice_is_fine(group: Manager) -> None:
    group.remove()
    group.remove()


def test_cgroups_made_inside_go_with_it(group: Manager) -> None:
    for directory in group.directories():
        os.makedirs(f"{directory}/inner/most")
    group.remove()
    assert not group.exists()


def test_many_are_made_at_once_below_a_new_parent(layout: Layout) -> None:
    """Each is usable at once, whoever made the parent they share."""
    count = 8
    children = []
    for place in range(count):
        pid = os.fork()
        if pid == 0:
            one = Manager(layout, f"{PARENT}/crowd/{place}")
            one.create()
            one.attach(os.getpid())
            os._exit(0)
        children.append(pid)
    codes = [os.waitpid(pid, 0)[1] for pid in children]
    Manager(layout, PARENT).remove()
    assert codes == [0] * count


def test_nothing_is_left_of_one_that_could_not_be_made(layout: Layout) -> None:
    long = Manager(layout, f"{PARENT}/parent/a\nb")
    with pytest.raises(OSError, match="Invalid argument"):
        long.create()
    assert not Manager(layout, PARENT).exists()


@pytest.mark.parametrize("driver", ["cgroupfs"], indirect=True)  # systemd has its own rules
def test_an_empty_leftover_is_made_anew(group: Manager, layout: Layout) -> None:
    needs(layout, "pids", "pids")
    group.apply(Resources(pids_limit=3))
    Manager(layout, group.path).create()
    assert group.stats().pids.limit is None


def test_a_cgroup_with_processes_is_not_taken_over(
    group: Manager, layout: Layout, start: Start
) -> None:
    child = start("sys.stdin.read()")
    with pytest.raises(AlreadyInUse, match="holds processes"):
        Manager(layout, group.path).create()
    assert group.pids() == [child.pid]


def test_a_renamed_one_is_still_the_same(group: Manager, layout: Layout, start: Start) -> None:
    """v2 keeps the old name, and whoever knows only the new one still finds the processes."""
    child = start("sys.stdin.read()")
    old = group.path
    group.rename(f"{PARENT}/two")
    assert group.pids() == [child.pid]
    known = Manager(layout, f"{PARENT}/two" if layout.mode != "v2" else old)
    assert known.pids() == [child.pid]
    known.kill()
    child.wait()
    group.remove()
    assert not any(os.path.isdir(directory) for directory in group.directories())


def test_a_renamed_one_takes_the_place_of_an_empty_leftover(group: Manager, layout: Layout) -> None:
    needs(layout, "pids", "")
    Manager(layout, f"{PARENT}/two").create()
    Manager(layout, f"{PARENT}/two").apply(Resources(pids_limit=3))
    group.rename(f"{PARENT}/two")
    assert group.stats().pids.limit is None
    Manager(layout, f"{PARENT}/two").remove()


def test_freezing_stops_all_progress(group: Manager, start: Start) -> None:
    child = start(TICK)
    assert moves(child, 10)
    group.freeze()
    assert group.is_frozen()
    assert not moves(child, 0.3)
    group.thaw()
    assert not group.is_frozen()
    assert moves(child, 10)


def test_what_is_frozen_can_be_killed(group: Manager, start: Start) -> None:
    child = start(TICK)
    group.freeze()
    group.kill()
    assert child.wait(10) == -9


def test_kill_takes_the_whole_family(group: Manager, start: Start) -> None:
    start(FAMILY)
    eventually(lambda: len(group.pids()) == 8)
    group.kill()
    assert group.pids() == []


def test_kill_reaches_cgroups_inside(group: Manager, start: Start) -> None:
    child = start("sys.stdin.read()")
    inner = Manager(group.layout, f"{group.path}/inner")
    inner.create()
    inner.attach(child.pid)
    assert group.pids() == [child.pid]
    group.kill()
    assert child.wait(10) == -9


def test_kill_of_an_empty_cgroup_is_fine(group: Manager) -> None:
    group.kill()
    group.remove()
    group.kill()


def test_without_hierarchies_every_limit_is_discarded_with_a_word() -> None:
    nowhere = Manager(Layout("none", ()), f"{PARENT}/none")
    rate = (Rate(8, 0, 1),)
    warnings = nowhere.apply(
        Resources(
            memory=1 << 26,
            memory_reservation=1 << 25,
            memory_swappiness=10,
            oom_kill_disable=True,
            cpu_quota=50_000,
            cpu_shares=512,
            cpuset_cpus="0",
            pids_limit=10,
            blkio_weight=300,
            throttle_read_bps=rate,
            throttle_write_iops=rate,
            devices=(DeviceRule(allow=False),),
        )
    )
    assert len(warnings) == 12
    assert all(warning.startswith("Your kernel does not support") for warning in warnings)
    assert nowhere.stats().pids.current == 0
    assert nowhere.apply(Resources()) == []


@pytest.mark.parametrize("path", ["", "/", "a/../b", "a//b", ".."])
def test_a_path_that_climbs_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgument, match="cgroup path"):
        Manager(Layout("none", ()), path)
