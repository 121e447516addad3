"""Where a container's cgroup is, what it sees of it, who is in it, and that it goes."""

import os
from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.runtime import state
from engine.runtime.cgroups import Manager, detect
from tests.suites.host import Config, bounded, process, until
from tests.suites.oci import OciMonitor

from .cage import HOLD, Cage, Cgroup

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEES = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"}


async def test_it_is_below_the_parent_everywhere(cage: Cage) -> None:
    monitor = await cage.started(HOLD)
    cgroup = Cgroup(monitor.pid)
    written = [each for each in detect().hierarchies if each.writable]
    assert len(cgroup.directories()) == len(written)
    parent = cage.host.cgroup_parent
    assert all(f"/{parent}/" in str(path) for path in cgroup.directories())


async def test_a_parent_of_several_parts(cage: Cage) -> None:
    parent = f"{cage.host.cgroup_parent}/a/b"
    monitor = await cage.made(cage.config(HOLD), cgroup_parent=f"/{parent}/")
    cgroup = Cgroup(monitor.pid)
    assert cgroup.paths[_some(cgroup)] == f"/{parent}/c1"
    places = cgroup.directories()
    await monitor.kill(9)
    await bounded(monitor.wait())
    await monitor.delete()
    for place in places:
        place.parent.rmdir()
        place.parent.parent.rmdir()


def _some(cgroup: Cgroup) -> str:
    """A hierarchy in which every runtime gives a cgroup the container's name."""
    return "pids" if "pids" in cgroup.paths else ""


async def test_a_relative_path_is_below_a_place_of_the_runtimes(cage: Cage) -> None:
    """The launcher has a parent and a name; OCI runtimes are given a path of any kind."""
    parent = f"{cage.host.cgroup_parent}-relative"
    config = cage.config(HOLD)
    config["linux"]["cgroupsPath"] = f"{parent}/c1"
    monitor = await cage.made(config, cgroup_parent=parent)
    cgroup = Cgroup(monitor.pid)
    assert cgroup.paths[_some(cgroup)].endswith(f"/{parent}/c1")
    places = cgroup.directories()
    await monitor.kill(9)
    await bounded(monitor.wait())
    await monitor.delete()
    assert not any(place.exists() for place in places)
    for place in places:
        place.parent.rmdir()


@pytest.mark.parametrize("path", ["/a/../../b", "../b"])
async def test_a_path_does_not_lead_out(cage: Cage, path: str) -> None:
    """Refused, or read as if the root were above itself: never beside the tree."""
    config = cage.config(HOLD)
    config["linux"]["cgroupsPath"] = f"/{cage.host.cgroup_parent}/{path.strip('/')}"
    try:
        monitor = await cage.made(config)
    except EngineError as error:
        assert "cgroupsPath" in str(error)
        return
    cgroup = Cgroup(monitor.pid)
    assert ".." not in Path(cgroup.paths[_some(cgroup)]).parts


async def test_with_a_namespace_it_is_the_root_to_itself(cage: Cage) -> None:
    lines = (await cage.said("cat /proc/self/cgroup")).splitlines()
    assert lines
    written = {name for each in detect().hierarchies if each.writable for name in each.controllers}
    seen = {line.split(":")[1]: line.split(":", 2)[2] for line in lines}
    assert all(path == "/" for names, path in seen.items() if written & {*names.split(",")})


async def test_without_one_it_sees_where_it_is(cage: Cage) -> None:
    config = cage.config("cat /proc/self/cgroup")
    spaces = config["linux"]["namespaces"]
    config["linux"]["namespaces"] = [each for each in spaces if each["type"] != "cgroup"]
    text, _ = await cage.finished(config)
    assert f"/{cage.host.cgroup_parent}/c1\n" in text


def _shown(config: Config, *options: str) -> Config:
    config["mounts"] += [
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
        SEES | {"options": ["nosuid", "noexec", "nodev", "relatime", *options]},
    ]
    return config


NUMBER = "$(ls -d /sys/fs/cgroup/pids /sys/fs/cgroup 2>/dev/null | tail -1)"


async def test_it_sees_its_own_limits(cage: Cage) -> None:
    config = cage.config(f"cat {NUMBER}/pids.max", pids={"limit": 44})
    assert (await cage.finished(_shown(config, "ro")))[0] == "44\n"


async def test_it_sees_them_above_the_hosts_sys(cage: Cage) -> None:
    """Which is what users without root bind, who may not mount one of their own."""
    config = cage.config(f"cat {NUMBER}/pids.max", pids={"limit": 44})
    bind = {"destination": "/sys", "type": "none", "source": "/sys"}
    config["mounts"] += [
        bind | {"options": ["rbind", "nosuid", "noexec", "nodev", "ro"]},
        SEES | {"options": ["nosuid", "noexec", "nodev", "relatime", "ro"]},
    ]
    assert (await cage.finished(config))[0] == "44\n"


async def test_it_cannot_change_them(cage: Cage) -> None:
    config = cage.config(f"echo max >{NUMBER}/pids.max", pids={"limit": 44})
    text, record = await cage.finished(_shown(config, "ro"))
    assert record.code != 0
    assert "Read-only file system" in text


async def test_who_is_executed_in_it_is_in_it(cage: Cage) -> None:
    monitor = await cage.started(HOLD, pids={"limit": 20}, cpu={"cpus": "0"})
    session = await monitor.exec("e1", process(["sleep", "1000"]), stdin=False)
    assert Cgroup(session.pid).paths == Cgroup(monitor.pid).paths
    await until(lambda: os.sched_getaffinity(session.pid) == {0})
    await session.kill(9)
    assert await bounded(session.wait()) == 137
    await session.stream.close()


async def test_nothing_is_left_of_it(cage: Cage) -> None:
    """Nor of the cgroups that a container which may do so has made in its own."""
    inner = "for each in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $each/inner 2>/dev/null; done"
    config = cage.config(f"{inner}; {HOLD}")
    monitor = await cage.made(_shown(config, "rw"))
    await monitor.start()
    cgroup = Cgroup(monitor.pid)
    places = cgroup.directories()
    await until(lambda: any((place / "inner").exists() for place in places))
    await monitor.kill(9)
    await bounded(monitor.wait())
    await monitor.delete()
    assert [place for place in places if place.exists()] == []


async def test_who_outlives_the_first_process_ends_with_the_container(cage: Cage) -> None:
    """Without a pid namespace the kernel would let it live."""
    config = cage.config("sleep 1000 >/dev/null 2>&1 </dev/null & echo $!")
    spaces = config["linux"]["namespaces"]
    config["linux"]["namespaces"] = [each for each in spaces if each["type"] != "pid"]
    config["mounts"] = [
        each | {"type": "bind", "source": "/proc", "options": ["rbind"]}
        if each["destination"] == "/proc"
        else each
        for each in config["mounts"]
    ]
    text, _ = await cage.finished(config)
    monitor = cage.host.monitors[0]
    if isinstance(monitor, OciMonitor):
        await monitor.force()
    else:
        await monitor.delete()
    await until(lambda: state.start_time(int(text)) is None)
    assert not Manager(detect(), monitor.cgroup).exists()


async def test_a_cgroup_that_is_in_use_is_refused(cage: Cage) -> None:
    """Two containers in one cgroup would be limited, frozen and killed together."""
    monitor = await cage.started(HOLD)
    config = cage.config(HOLD)
    config["linux"]["cgroupsPath"] = Cgroup(monitor.pid).paths[_some(Cgroup(monitor.pid))]
    name = "c2" if isinstance(monitor, OciMonitor) else "c1"  # the launcher knows no other path
    with pytest.raises(EngineError, match="cgroup"):
        await cage.made(config, name, bundle=cage.host.bundle("c2"))
    assert not cage.host.bundle("c2").exists()
    assert state.start_time(monitor.pid)
