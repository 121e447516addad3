"""What is written to cgroup v2, shown on plain files of the same names."""

from pathlib import Path

import pytest

from engine.errors import InvalidArgument
from engine.runtime.cgroups import (
    BlockStats,
    DeviceRule,
    Hierarchy,
    Layout,
    Manager,
    Rate,
    Resources,
    blkio,
    cpu,
    memory,
    pids,
)

MIB = 1 << 20


def folder(path: Path, **files: str) -> str:
    for name, text in files.items():
        (path / name.replace("__", ".")).write_text(text)
    return str(path)


def test_swap_is_the_total_less_the_memory(tmp_path: Path) -> None:
    where = folder(tmp_path, memory__max="max\n", memory__swap__max="max\n")
    memory.apply_v2(where, Resources(memory=64 * MIB, memory_swap=96 * MIB))
    assert (tmp_path / "memory.max").read_text() == str(64 * MIB)
    assert (tmp_path / "memory.swap.max").read_text() == str(32 * MIB)


@pytest.mark.parametrize(
    ("limit", "total", "swap"),
    [
        (64, None, 64),
        (64, 64, 0),
        (64, -1, -1),
        (None, None, None),
        (None, -1, -1),
        (-1, None, -1),
    ],
)
def test_swap_in_docker_terms(limit: int | None, total: int | None, swap: int | None) -> None:
    assert memory.swap_v2(Resources(memory=limit, memory_swap=total)) == swap


@pytest.mark.parametrize(("limit", "total"), [(64, 63), (None, 64)])
def test_swap_that_makes_no_sense(limit: int | None, total: int) -> None:
    with pytest.raises(InvalidArgument, match="memory swap limit"):
        memory.swap_v2(Resources(memory=limit, memory_swap=total))


def test_no_limit_is_max(tmp_path: Path) -> None:
    where = folder(tmp_path, memory__max="1\n", memory__swap__max="1\n", pids__max="1\n")
    memory.apply_v2(where, Resources(memory=-1))
    pids.apply_v2(where, Resources(pids_limit=0))
    for name in ("memory.max", "memory.swap.max", "pids.max"):
        assert (tmp_path / name).read_text() == "max"


def test_what_v2_cannot_do_is_said(tmp_path: Path) -> None:
    where = folder(tmp_path)
    warnings = memory.apply_v2(where, Resources(memory_swappiness=5, oom_kill_disable=True))
    assert warnings == [memory.NO_SWAPPINESS, memory.NO_OOM]
    assert memory.apply_v2(where, Resources(memory_swappiness=-1, oom_kill_disable=False)) == []


def test_a_missing_file_is_a_warning(tmp_path: Path) -> None:
    where = folder(tmp_path, memory__max="max")
    assert memory.apply_v2(where, Resources(memory=MIB)) == [memory.NO_SWAP]


@pytest.mark.parametrize(
    ("shares", "weight"), [(2, 1), (1024, 39), (262144, 10000), (1, 1), (10**9, 10000)]
)
def test_shares_become_a_weight(shares: int, weight: int) -> None:
    assert cpu.weight(shares) == weight


@pytest.mark.parametrize(
    ("wanted", "now", "line"),
    [
        (Resources(cpu_quota=50_000), "max 100000", "50000 100000"),
        (Resources(cpu_quota=50_000, cpu_period=20_000), "max 100000", "50000 20000"),
        (Resources(cpu_period=20_000), "50000 100000", "50000 20000"),
        (Resources(cpu_quota=-1), "50000 20000", "max 20000"),
        (Resources(cpu_quota=7000), "", "7000 100000"),
    ],
)
def test_cpu_max(wanted: Resources, now: str, line: str) -> None:
    assert cpu.cpu_max(wanted, now) == line


@pytest.mark.parametrize(("weight", "converted"), [(10, 1), (500, 4950), (1000, 10000)])
def test_io_weight(weight: int, converted: int) -> None:
    assert blkio.io_weight(weight) == converted


def test_bfq_weight_is_taken_first(tmp_path: Path) -> None:
    where = folder(tmp_path, io__weight="default 100\n", io__bfq__weight="100\n")
    assert blkio.apply_v2(where, Resources(blkio_weight=300)) == []
    assert (tmp_path / "io.bfq.weight").read_text().startswith("300")
    assert (tmp_path / "io.weight").read_text() == "default 100\n"


def test_io_max_of_each_kind(tmp_path: Path) -> None:
    where = folder(tmp_path, io__max="")
    blkio.apply_v2(where, Resources(throttle_read_iops=(Rate(8, 16, 100),)))
    assert (tmp_path / "io.max").read_text() == "8:16 riops=100"
    assert blkio.io_max("wbps", Rate(8, 0, 0)) == "wbps=max"


def test_reading_cpu(tmp_path: Path) -> None:
    stat = "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 7\nnr_throttled 1\n"
    read = cpu.read_v2(folder(tmp_path, cpu__stat=stat + "throttled_usec 9\n"))
    assert read == (5000, 3000, 2000, (), 7, 1, 9000)


def test_reading_memory(tmp_path: Path) -> None:
    where = folder(
        tmp_path,
        memory__current="100\n",
        memory__max="max\n",
        memory__peak="120\n",
        memory__stat="anon 50\nfile 40\ninactive_file 30\n",
        memory__events="low 0\nmax 4\noom 2\noom_kill 1\n",
        memory__swap__current="5\n",
        memory__swap__max="60\n",
    )
    read = memory.read_v2(where)
    assert (read.usage, read.working_set, read.cache, read.limit) == (100, 70, 40, None)
    assert (read.max_usage, read.failcnt, read.swap, read.swap_limit) == (120, 4, 5, 60)
    assert memory.oom_kills_v2(where) == 1


def test_reading_block_io() -> None:
    text = "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n7:1 \n"
    assert blkio.parse_v2(text) == (BlockStats(8, 0, 1, 2, 3, 4),)
    volume = "8:0 Read 1\n8:0 Write 2\n8:0 Sync 3\n8:0 Total 3\nTotal 3\n"
    counts = "8:0 Read 3\n8:0 Write 4\nTotal 7\n"
    assert blkio.parse_v1(volume, counts) == (BlockStats(8, 0, 1, 2, 3, 4),)


@pytest.mark.parametrize(
    ("controllers", "lacking"),
    [("cpu io memory pids", []), ("memory", ["cpu", "pids"]), ("", ["cpu", "memory", "pids"])],
)
def test_controllers_that_a_cgroup_has_not(
    tmp_path: Path, controllers: str, lacking: list[str]
) -> None:
    """Its parent has processes of its own, or has handed down less."""
    (tmp_path / "box").mkdir()
    (tmp_path / "box/cgroup.controllers").write_text(f"{controllers}\n")
    known = ("cpuset", "cpu", "io", "memory", "pids")
    unified = Hierarchy(2, str(tmp_path), known, str(tmp_path), writable=True)
    group = Manager(Layout("v2", (unified,)), "box")
    rules = (DeviceRule(allow=False),)
    wanted = Resources(memory=64 * MIB, cpu_quota=1000, pids_limit=5, devices=rules)
    assert group.lacks(wanted) == lacking
    assert group.lacks(Resources(devices=rules)) == []


def test_without_any_hierarchy_every_controller_is_lacking() -> None:
    group = Manager(Layout("none", ()), "box")
    assert group.lacks(Resources(blkio_weight=100, cpuset_cpus="0")) == ["cpuset", "io"]
