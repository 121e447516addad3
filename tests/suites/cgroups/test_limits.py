"""A limit is proved by what it does to a real process."""

import os
import select
import subprocess
import time

import pytest

from engine.errors import InvalidArgument
from engine.runtime.cgroups import DeviceRule, Layout, Manager, Rate, Resources, cpu, files
from tests.conftest import SLOWDOWN, eventually
from tests.suites.cgroups.conftest import Start, needs

pytestmark = pytest.mark.root
MIB = 1 << 20

BURN = """
import time
while time.process_time() < {seconds}: pass
"""
FORK = """
import os
children = 0
try:
    while True:
        pid = os.fork()
        if pid == 0:
            sys.stdin.read()
            os._exit(0)
        children += 1
except OSError as error:
    print(children, error.errno, flush=True)
"""
WAIT = """
print("ready", flush=True)
sys.stdin.read()
"""
OPEN = """
import os
def code(path, flags):
    try:
        os.close(os.open(path, flags))
    except OSError as error:
        return error.errno
    return 0
print(code("/dev/null", os.O_RDWR), code("/dev/zero", os.O_RDONLY),
      code("/dev/zero", os.O_RDWR), code("/dev/full", os.O_RDONLY), flush=True)
"""


def output(child: "subprocess.Popen[str]") -> str:
    """The first line a program prints, or a failure after 20 seconds."""
    assert child.stdout is not None
    ready, _, _ = select.select([child.stdout], [], [], 20)
    assert ready, "the program said nothing"
    return child.stdout.readline()


def keep(start: Start) -> None:
    """Leave a process in the cgroup: systemd removes one that is empty, with all its figures."""
    assert output(start(WAIT)) == "ready\n"


def test_memory_hog_is_killed_and_counted(group: Manager, start: Start, layout: Layout) -> None:
    needs(layout, "memory", "memory")
    group.apply(Resources(memory=32 * MIB, memory_swap=32 * MIB))
    keep(start)
    watch = group.oom_fd()
    assert watch is not None
    try:
        child = start(
            f"hog = bytearray({128 * MIB})\nfor i in range(0, len(hog), 4096): hog[i] = 1"
        )
        assert select.select([watch], [], [], 20)[0], "no word of the memory running out"
        assert child.wait(20) == -9
        eventually(lambda: group.oom_kills() == 1)
    finally:
        os.close(watch)


def test_nobody_is_killed_within_the_limit(group: Manager, start: Start, layout: Layout) -> None:
    needs(layout, "memory", "memory")
    group.apply(Resources(memory=128 * MIB))
    assert start("hog = bytearray(16 << 20)").wait(20) == 0
    assert group.oom_kills() == 0


def test_cpu_quota_stretches_the_work(group: Manager, start: Start, layout: Layout) -> None:
    needs(layout, "cpu", "cpu")
    keep(start)
    group.apply(Resources(cpu_quota=10_000, cpu_period=100_000))
    before, began = group.stats().cpu, time.monotonic()
    assert start(BURN.format(seconds=0.25)).wait(60) == 0
    wall, after = time.monotonic() - began, group.stats().cpu
    used = (after.total_ns - before.total_ns) / 1e9
    assert 0.1 < used < 0.4 * SLOWDOWN  # the interpreter's own start included
    assert used / wall < 0.13
    assert after.throttled_periods > 0
    assert after.throttled_ns > 0
    assert after.user_ns > 0


def test_the_process_over_the_limit_is_not_born(
    group: Manager, start: Start, layout: Layout
) -> None:
    needs(layout, "pids", "pids")
    group.apply(Resources(pids_limit=5))
    assert output(start(FORK)).split() == ["4", "11"]
    assert group.stats().pids == (5, 5)


def test_a_lifted_pids_limit_is_none(group: Manager, layout: Layout) -> None:
    needs(layout, "pids", "pids")
    group.apply(Resources(pids_limit=5))
    group.apply(Resources(pids_limit=-1))
    assert group.stats().pids.limit is None


def test_cpuset_confines(group: Manager, start: Start, layout: Layout) -> None:
    needs(layout, "cpuset", "cpuset")
    group.apply(Resources(cpuset_cpus="0"))
    assert output(start("import os\nprint(os.sched_getaffinity(0), flush=True)")) == "{0}\n"


def test_devices_are_denied_but_for_the_listed(group: Manager, start: Start) -> None:
    rules = (
        DeviceRule(allow=False),
        DeviceRule(True, "c", 1, 3, "rwm"),
        DeviceRule(True, "c", 1, 5, "r"),
    )
    assert group.apply(Resources(devices=rules)) == []
    assert output(start(OPEN)).split() == ["0", "0", "1", "1"]


def test_memory_limits_move_up_and_down(group: Manager, layout: Layout) -> None:
    needs(layout, "memory", "memory")
    for mib in (64, 256, 32):
        assert group.apply(Resources(memory=mib * MIB)) == []
        memory = group.stats().memory
        assert memory.limit == mib * MIB
        assert memory.swap_limit in {mib * MIB, None}  # None: swap is not accounted for
    group.apply(Resources(memory=-1))
    assert group.stats().memory.limit is None


def test_a_limit_below_what_is_in_use_is_refused_on_v1(
    group: Manager, start: Start, layout: Layout
) -> None:
    needs(layout, "memory", "")
    child = start(
        "hog = bytearray(32 << 20)\nfor i in range(0, len(hog), 4096): hog[i] = 1\n" + WAIT
    )
    assert output(child) == "ready\n"
    with pytest.raises(InvalidArgument, match="below the memory in use"):
        group.apply(Resources(memory=8 * MIB, memory_swap=8 * MIB))
    assert child.poll() is None


def test_shares_and_weight_are_taken(group: Manager, layout: Layout) -> None:
    needs(layout, "cpu", "cpu")
    assert group.apply(Resources(cpu_shares=512)) == []
    version, directory = group.find("cpu", "cpu") or (0, "")
    name, value = ("cpu.shares", 512) if version == 1 else ("cpu.weight", cpu.weight(512))
    assert files.number(f"{directory}/{name}") == value


def test_a_device_that_is_not_there_is_named(group: Manager, layout: Layout) -> None:
    needs(layout, "blkio", "io")
    with pytest.raises(InvalidArgument, match="no block device 511:7"):
        group.apply(Resources(throttle_read_bps=(Rate(511, 7, MIB),)))


WRITE = """
import mmap, os
page = mmap.mmap(-1, 1 << 18)
fd = os.open("{device}", os.O_WRONLY | os.O_DIRECT)
for _ in range({times}): os.write(fd, page)
"""


def test_writes_are_slowed_to_the_ceiling_and_counted(
    group: Manager, start: Start, layout: Layout, loop_device: str
) -> None:
    needs(layout, "blkio", "io")
    number = os.stat(loop_device).st_rdev
    where = (os.major(number), os.minor(number))
    assert group.apply(Resources(throttle_write_bps=(Rate(*where, 2 * MIB),))) == []
    keep(start)
    began = time.monotonic()
    assert start(WRITE.format(device=loop_device, times=12)).wait(60) == 0
    assert time.monotonic() - began > 1.0
    counted = {(b.major, b.minor): b for b in group.stats().block}[where]
    assert counted.write_bytes == 3 * MIB
    assert counted.write_ops >= 12


def test_readings_of_a_live_process(group: Manager, start: Start, layout: Layout) -> None:
    needs(layout, "memory", "memory")
    group.apply(Resources(memory=128 * MIB, pids_limit=9))
    child = start("hog = bytearray(16 << 20)\nprint('ready', flush=True)\nsys.stdin.read()")
    assert output(child) == "ready\n"
    stats = group.stats()
    assert 16 * MIB <= stats.memory.working_set <= stats.memory.usage <= stats.memory.max_usage
    assert stats.memory.stat
    assert stats.pids == (1, 9)
    assert stats.cpu.total_ns > 0
    assert stats.oom_kills == 0
    assert group.pids() == [child.pid]
