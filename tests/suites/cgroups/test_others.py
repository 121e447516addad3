"""Processes, devices, huge pages, RDMA and files of cgroup v2 by name, on every runtime."""

from collections.abc import Iterator
from typing import Any

import pytest

from engine.errors import EngineError
from engine.runtime.cgroups import detect, files, tree
from tests.suites.host import bounded

from .cage import HOLD, MIB, Cage, Cgroup, version_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORKS = "for each in 1 2 3 4 5 6 7; do sleep 1000 & done; echo all"


async def test_the_process_over_the_limit_is_not_born(cage: Cage) -> None:
    text, record = await cage.finished(cage.config(FORKS, pids={"limit": 5}))
    assert "can't fork" in text
    assert "all" not in text
    assert record.code != 0


async def test_the_number_of_processes_moves(cage: Cage) -> None:
    script = f"read go; {FORKS}; {HOLD}"
    config = cage.config(script, pids={"limit": 5})
    monitor = await cage.made(config, open_stdin=True, stdin_once=True)
    stream = await monitor.attach(stdin=True, stdout=True, stderr=True)
    await monitor.start()
    cgroup = Cgroup(monitor.pid)
    assert cgroup.read("pids.max", "pids.max") == "5"
    await monitor.update({"pids": {"limit": 9}})
    assert cgroup.read("pids.max", "pids.max") == "9"
    await stream.write(b"go\n")
    assert await bounded(stream.read()) == (1, b"all\n")
    assert cgroup.number("pids.current", "pids.current") in {8, 9}  # the last may take its place
    await stream.close()


async def test_no_limit_of_processes(cage: Cage) -> None:
    monitor = await cage.started(HOLD, pids={"limit": -1})
    assert Cgroup(monitor.pid).read("pids.max", "pids.max") == "max"


def with_kernel_log(cage: Cage, script: str, access: str) -> Any:
    """A container with a node of the kernel's log, which it may use so."""
    config = cage.config(script)
    node = {"type": "c", "major": 1, "minor": 11}
    config["linux"]["devices"] = [node | {"path": "/dev/kmsg", "fileMode": 0o666}]
    allowed = [node | {"allow": True, "access": access}] if access else []
    config["linux"]["resources"]["devices"] = [{"allow": False, "access": "rwm"}, *allowed]
    return config


@pytest.mark.parametrize(("access", "works"), [("w", True), ("r", False), ("", False)])
async def test_a_device_that_is_not_allowed_cannot_be_opened(
    cage: Cage, access: str, works: bool
) -> None:
    text, record = await cage.finished(with_kernel_log(cage, ": >>/dev/kmsg", access))
    assert (record.code == 0) is works
    assert ("Operation not permitted" in text) is not works


async def test_what_every_container_needs_stays_allowed(cage: Cage) -> None:
    script = "head -c 3 /dev/zero | wc -c; echo x >/dev/null; head -c 1 /dev/urandom | wc -c"
    config = with_kernel_log(cage, script, "")
    assert (await cage.finished(config))[0].split() == ["3", "1"]


@pytest.fixture
def root_as_found(cgroup_parent: str) -> Iterator[None]:
    """Rare controllers are handed down from the root of the tree, and stay so: taken back here."""
    unified = detect().unified
    places = [f"{unified.base}/{cgroup_parent}", unified.base] if unified else []
    root = places[-1:]
    before = [name for place in root for name in _handed_down(place)]
    yield
    for place in places:
        for name in set(_handed_down(place)).difference(before, tree.V2_CONTROLLERS):
            files.write(f"{place}/cgroup.subtree_control", f"-{name}")


def _handed_down(place: str) -> list[str]:
    return files.read_if_there(f"{place}/cgroup.subtree_control").split()


@pytest.fixture
def tidy_cage(root_as_found: None, cage: Cage) -> Cage:
    return cage


async def test_huge_pages_beyond_the_limit_are_refused(tidy_cage: Cage) -> None:
    """A file of hugetlbfs takes its pages when its room is asked for."""
    limits = [{"pageSize": "2MB", "limit": 2 * MIB}]
    size = "/sys/kernel/mm/hugepages/hugepages-2048kB"
    config = tidy_cage.config(
        "fallocate -l 2M /huge/one && echo one; fallocate -l 2M /huge/two && echo two; sleep 1000",
        hugepageLimits=limits,
    )
    mount = {"destination": "/huge", "type": "hugetlbfs", "source": "none"}
    config["mounts"].append(mount | {"options": ["pagesize=2M"]})
    monitor = await tidy_cage.made(config)
    cgroup = Cgroup(monitor.pid)
    assert cgroup.number("hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max") == 2 * MIB
    if (files.number(f"{size}/free_hugepages") or 0) < 2:
        return  # none can be had with or without the limit
    stream = await monitor.attach(stdin=False, stdout=True, stderr=True)
    await monitor.start()
    said = b""
    while b"two" not in said and b"No space" not in said and b"memory" not in said:
        piece = await bounded(stream.read())
        assert piece is not None, said
        said += piece[1]
    assert b"one\n" in said
    assert b"two\n" not in said
    await stream.close()


async def test_a_size_of_huge_pages_that_there_is_not_is_refused(tidy_cage: Cage) -> None:
    if not version_of("hugetlb"):
        pytest.skip("needs the hugetlb controller")
    with pytest.raises(EngineError, match="3MB"):
        await tidy_cage.started(HOLD, hugepageLimits=[{"pageSize": "3MB", "limit": MIB}])


async def test_an_rdma_device_that_is_not_there_limits_nothing(tidy_cage: Cage) -> None:
    """Refused where the controller could tell; where there is none the container starts."""
    wanted = {"mlx9_9": {"hcaHandles": 1}}
    if not version_of("rdma"):
        monitor = await tidy_cage.started(HOLD, rdma=wanted)
        assert Cgroup(monitor.pid).find("rdma") is None
        return
    with pytest.raises(EngineError, match=r"rdma\.max"):
        await tidy_cage.started(HOLD, rdma=wanted)


async def test_a_file_of_v2_by_its_name(tidy_cage: Cage) -> None:
    """Where the controller belongs to v1 there is no such file, and the container is refused."""
    config = tidy_cage.config(HOLD, unified={"pids.max": "33"})
    if version_of("pids") != 2:
        with pytest.raises(EngineError, match=r"(?i)unified"):
            await tidy_cage.made(config)
        return
    monitor = await tidy_cage.made(config)
    assert Cgroup(monitor.pid).read("", "pids.max") == "33"


@pytest.mark.parametrize("name", ["memory.nonsense", "nothing.max"])
async def test_a_file_that_is_not_there_is_refused(tidy_cage: Cage, name: str) -> None:
    with pytest.raises(EngineError, match=rf"(?i)unified|{name}"):
        await tidy_cage.started(HOLD, unified={name: "1"})
