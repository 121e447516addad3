"""What is made ready ahead: used when it suits, never in the way, never left over."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError, RuntimeFailure
from engine.runtime import state
from engine.runtime.cgroups import detect
from engine.runtime.launcher import Launcher

from .conftest import Host, bounded, log_text, until

pytestmark = pytest.mark.skipif(
    detect().mode not in ("v1", "hybrid"), reason="nothing is made ahead on cgroup v2"
)


def slots(host: Host) -> set[Path]:
    """The cgroups that monitors have made ahead, of the v1 hierarchies: two each, when idle."""
    v1 = [h.base for h in detect().hierarchies if h.version == 1 and h.writable]
    return {path for base in v1 for path in Path(base, host.cgroup_parent).glob("spare-*")}


def everything(host: Host) -> list[Path]:
    bases = [h.base for h in detect().hierarchies if h.writable]
    return [path for base in bases for path in Path(base, host.cgroup_parent).glob("*/")]


def children(pid: int | None) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


async def spares(host: Host, launcher: Launcher) -> list[tuple[int, int]]:
    """(monitor, init) of each container that is ready ahead."""

    def found() -> list[tuple[int, int]]:
        slot = [path for path in slots(host) if "pids" in path.parts]
        inits = {int(path.name.split("-")[1]): (path / "cgroup.procs").read_text() for path in slot}
        return [(monitor, int(text)) for monitor, text in inits.items() if text.strip()]

    await until(lambda: len(found()) == 2)
    return found()


async def code_of(host: Host, launcher: Launcher, name: str, script: str, **changes: Any) -> int:
    monitor = await host.create(launcher, name, ["sh", "-c", script], **changes)
    await monitor.start()
    return int((await bounded(monitor.wait())).code)


async def test_a_container_takes_over_an_init_made_ahead(host: Host, launcher: Launcher) -> None:
    ready = await spares(host, launcher)
    monitor = await host.create(launcher, "c1", ["sleep", "1000"], resources={"pids": {"limit": 7}})
    assert (monitor.monitor_pid, monitor.pid) in ready
    limit = Path("/sys/fs/cgroup/pids", host.cgroup_parent, "c1", "pids.max")
    assert limit.read_text() == "7\n"
    assert limit.with_name("cgroup.procs").read_text().split() == [str(monitor.pid)]


async def test_mounts_made_in_the_meantime_are_seen(
    host: Host, launcher: Launcher, tmp_path: Path
) -> None:
    await spares(host, launcher)
    source = tmp_path / "source"
    source.mkdir()
    await asyncio.to_thread(os.system, f"mount -t tmpfs --make-private tmpfs {source}")
    try:
        (source / "new").write_text("here")
        bind = {"destination": "/v", "type": "bind", "source": str(source), "options": ["bind"]}
        assert await code_of(host, launcher, "c1", "grep -q here /v/new", mounts=[bind]) == 0
    finally:
        await asyncio.to_thread(os.system, f"umount -l {source}")


@pytest.mark.parametrize("kind", ["network", "uts", "ipc"])
async def test_a_namespace_that_is_not_wanted_is_the_hosts(
    host: Host, launcher: Launcher, kind: str
) -> None:
    await spares(host, launcher)
    config = host.config(["readlink", f"/proc/self/ns/{kind[:3]}"])
    spaces = config["linux"]["namespaces"]
    config["linux"]["namespaces"] = [each for each in spaces if each["type"] != kind]
    if kind == "uts":
        del config["hostname"]
    monitor = host.remember(await launcher.create("c1", host.options("c1", config)))
    await monitor.start()
    await bounded(monitor.wait())
    assert log_text(host.log("c1")).decode().strip() == os.readlink(f"/proc/self/ns/{kind[:3]}")


async def test_the_hosts_processes_and_another_parent_are_made_afresh(
    host: Host, launcher: Launcher
) -> None:
    ready = {init for _, init in await spares(host, launcher)}
    config = host.config(["sleep", "1000"])
    spaces = config["linux"]["namespaces"]
    config["linux"]["namespaces"] = [each for each in spaces if each["type"] != "pid"]
    first = host.remember(await launcher.create("c1", host.options("c1", config)))
    parent = f"{host.cgroup_parent}/deeper"
    second = await host.create(launcher, "c2", ["sleep", "1000"], cgroup_parent=parent)
    assert not {first.pid, second.pid} & ready
    assert Path("/sys/fs/cgroup/pids", parent, "c2").is_dir()
    for monitor in (first, second):
        await monitor.delete()
    for hierarchy in detect().hierarchies:
        Path(hierarchy.base, parent).rmdir()


async def test_a_killed_builder_or_init_is_replaced(host: Host, launcher: Launcher) -> None:
    (monitor, init), (other, _) = await spares(host, launcher)
    os.kill(init, signal.SIGKILL)
    for child in children(other):
        os.kill(child, signal.SIGKILL)
    for number in range(2):
        try:
            assert await code_of(host, launcher, f"c{number}", "exit 4") == 4
        except RuntimeFailure as error:
            pytest.fail(f"the caller was told: {error}")
    assert monitor != other


async def test_a_failed_create_leaves_no_cgroup(host: Host, launcher: Launcher) -> None:
    await spares(host, launcher)
    wrong = {"destination": "/v", "type": "bind", "source": "/nowhere", "options": ["bind"]}
    with pytest.raises(RuntimeFailure, match="/nowhere"):
        await host.create(launcher, "c1", ["true"], mounts=[wrong])
    assert not [path for path in everything(host) if path.name == "c1"]


async def test_a_monitor_that_cannot_go_on_takes_the_builders_work_back(
    host: Host, launcher: Launcher
) -> None:
    await spares(host, launcher)
    host.log("c1").mkdir(parents=True)  # cannot be opened as a file
    with pytest.raises(RuntimeFailure, match="directory"):
        await host.create(launcher, "c1", ["true"])
    await until(lambda: not [path for path in everything(host) if path.name == "c1"])


async def test_limits_that_are_refused_are_told(host: Host, launcher: Launcher) -> None:
    await spares(host, launcher)
    for number in range(3):  # the third is made by a monitor that had nothing ready
        with pytest.raises(EngineError, match="memory"):
            limit = {"memory": {"limit": 64 << 20, "swap": 32 << 20}}
            await host.create(launcher, f"c{number}", ["true"], resources=limit)
    await until(lambda: not [path for path in everything(host) if path.name.startswith("c")])


async def test_many_at_once(host: Host, launcher: Launcher) -> None:
    names = [f"c{number}" for number in range(20)]
    codes = await asyncio.gather(*(code_of(host, launcher, name, "exit 3") for name in names))
    assert codes == [3] * 20


async def test_a_container_holds_nothing_of_those_that_wait(host: Host, launcher: Launcher) -> None:
    await spares(host, launcher)
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    await monitor.start()
    ready = await spares(host, launcher)
    await monitor.kill(9)
    await bounded(monitor.wait())
    await until(lambda: state.start_time(monitor.monitor_pid) is None)
    assert await spares(host, launcher) == ready
    await launcher.close()
    assert not everything(host)


async def test_a_monitor_holds_nothing_of_the_rehearsal(host: Host, launcher: Launcher) -> None:
    monitor = await host.create(launcher, "c1", ["sleep", "1000"])
    links = [os.readlink(each) for each in Path(f"/proc/{monitor.monitor_pid}/fd").iterdir()]
    assert links.count("/dev/null") <= 2  # stdin and stdout


async def test_they_end_with_the_launcher(host: Host, launcher: Launcher) -> None:
    ready = await spares(host, launcher)
    await launcher.close()
    assert not everything(host)  # what is still there of them has nothing open, and ends
    await until(lambda: not [pid for pair in ready for pid in pair if state.start_time(pid)])


async def test_they_end_with_a_killed_zygote(host: Host, launcher: Launcher) -> None:
    ready = await spares(host, launcher)
    assert launcher.zygote_pid is not None
    os.kill(launcher.zygote_pid, signal.SIGKILL)
    await until(lambda: not everything(host))
    await until(lambda: not [pid for pair in ready for pid in pair if state.start_time(pid)])


async def test_the_next_zygote_removes_what_killed_ones_left(
    host: Host, launcher: Launcher
) -> None:
    ready = await spares(host, launcher)
    assert launcher.zygote_pid is not None
    os.kill(launcher.zygote_pid, signal.SIGSTOP)
    builders = [child for monitor, _ in ready for child in children(monitor)]
    for pid in (*(monitor for monitor, _ in ready), *builders, launcher.zygote_pid):
        os.kill(pid, signal.SIGKILL)
    left = slots(host)
    assert left
    assert await code_of(host, launcher, "c1", "exit 5") == 5
    await spares(host, launcher)
    assert not left & slots(host)
