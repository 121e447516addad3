"""Block I/O of containers, on every runtime."""

import os
import time
from typing import Any, NamedTuple

import pytest

from engine.errors import EngineError
from engine.runtime.cgroups import blkio, files
from tests.suites.host import Config, bounded

from .cage import HOLD, MIB, Cage, Cgroup

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRITE = "dd if=/dev/zero of=/dev/disk bs=256k count={count} oflag=direct 2>/dev/null"


class Disk(NamedTuple):
    """A loop device and its number."""

    path: str
    major: int
    minor: int

    def rate(self, value: int) -> list[Config]:
        return [{"major": self.major, "minor": self.minor, "rate": value}]


@pytest.fixture
def disk(loop_device: str) -> Disk:
    number = os.stat(loop_device).st_rdev
    return Disk(loop_device, os.major(number), os.minor(number))


def with_disk(cage: Cage, disk: Disk, script: str, limits: Config) -> Config:
    """A container that may use the disk."""
    config = cage.config(script, blockIO=limits)
    node: dict[str, Any] = {"type": "b", "major": disk.major, "minor": disk.minor}
    config["linux"]["devices"] = [node | {"path": "/dev/disk", "fileMode": 0o600}]
    rules = [{"allow": False, "access": "rwm"}, node | {"allow": True, "access": "rwm"}]
    config["linux"]["resources"]["devices"] = rules
    return config


async def test_ceilings_reach_the_kernel(cage: Cage, disk: Disk) -> None:
    limits = {
        "throttleReadBpsDevice": disk.rate(5 * MIB),
        "throttleWriteBpsDevice": disk.rate(6 * MIB),
        "throttleReadIOPSDevice": disk.rate(70),
        "throttleWriteIOPSDevice": disk.rate(80),
    }
    cgroup = Cgroup((await cage.started(HOLD, blockIO=limits)).pid)
    number = f"{disk.major}:{disk.minor}"
    if cgroup.file("", "io.max"):
        expected = f"{number} rbps={5 * MIB} wbps={6 * MIB} riops=70 wiops=80"
        assert expected in cgroup.read("", "io.max").splitlines()
        return
    for name, value in (
        *(("read_bps", 5 * MIB), ("write_bps", 6 * MIB)),
        *(("read_iops", 70), ("write_iops", 80)),
    ):
        lines = cgroup.read(f"blkio.throttle.{name}_device", "").splitlines()
        assert f"{number} {value}" in lines


@pytest.mark.timing
async def test_writes_are_slowed_to_the_ceiling(cage: Cage, disk: Disk) -> None:
    limits = {"throttleWriteBpsDevice": disk.rate(2 * MIB)}
    began = time.monotonic()
    _, record = await cage.finished(with_disk(cage, disk, WRITE.format(count=8), limits))
    assert record.code == 0
    assert time.monotonic() - began > 0.8


async def test_a_ceiling_can_be_lifted(cage: Cage, disk: Disk) -> None:
    """What would take hours at a page a second is done."""
    limits = {"throttleWriteBpsDevice": disk.rate(4096)}
    config = with_disk(cage, disk, f"{WRITE.format(count=40)}; echo done", limits)
    monitor = await cage.made(config)
    stream = await monitor.attach(stdin=False, stdout=True, stderr=False)
    await monitor.start()
    await monitor.update({"blockIO": {"throttleWriteBpsDevice": disk.rate(0)}})
    assert await bounded(stream.read()) == (1, b"done\n")
    await stream.close()


async def test_a_weight(cage: Cage) -> None:
    """On the scale of whichever scheduler has one; where none has, it is left out with a word."""
    cgroup = Cgroup((await cage.started(HOLD, blockIO={"weight": 321})).pid)
    for name in ("blkio.weight", "blkio.bfq.weight"):
        if cgroup.file(name, ""):
            assert cgroup.read(name, "").split()[-1] == "321"
    for name, value in (("io.bfq.weight", 321), ("io.weight", blkio.io_weight(321))):
        if cgroup.file("", name):
            assert cgroup.read("", name).splitlines()[0] == f"default {value}"
            return


async def test_a_disk_that_is_not_there_is_refused(cage: Cage) -> None:
    rate = [{"major": 511, "minor": 7, "rate": MIB}]
    with pytest.raises(EngineError, match="511:7"):
        await cage.started(HOLD, blockIO={"throttleReadBpsDevice": rate})


async def test_what_is_moved_is_counted(cage: Cage, disk: Disk) -> None:
    script = f"{WRITE.format(count=12)}; {HOLD}"
    limits = {"throttleWriteBpsDevice": disk.rate(1 << 40)}  # v1 counts what it may have to slow
    monitor = await cage.made(
        with_disk(cage, disk, f"{script.replace('; ', '; echo done; ')}", limits)
    )
    stream = await monitor.attach(stdin=False, stdout=True, stderr=False)
    await monitor.start()
    assert await bounded(stream.read()) == (1, b"done\n")
    await stream.close()
    cgroup = Cgroup(monitor.pid)
    found = cgroup.find("blkio") or cgroup.find("io")
    assert found is not None
    read = blkio.read_v1 if found[0] == 1 else blkio.read_v2
    counted = {(each.major, each.minor): each for each in read(str(found[1]))}
    assert counted[disk.major, disk.minor].write_bytes == 3 * MIB
    assert files.read_if_there(f"{found[1]}/cgroup.procs").split()
