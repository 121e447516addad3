"""`linux.namespaces` and what hangs on them: id maps, clock offsets, names, sysctl."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError
from engine.runtime.launcher import Launcher
from tests.suites.host import make_rootfs

from .conftest import Config, Host, bounded, process
from .spec import IDS, configure, create, executed, finish, output, sleeping, with_user_namespace

KINDS = {"pid": "pid", "network": "net", "uts": "uts", "ipc": "ipc", "cgroup": "cgroup"}
SETS = ("bounding", "effective", "permitted")
DAY = 86_400


@pytest.fixture
def mapped(host: Host) -> Iterator[Path]:
    """A root file system that belongs to the mapped root, at a place that anybody can reach."""
    top = Path(tempfile.mkdtemp(prefix="berth-mapped-"))
    try:
        top.chmod(0o755)
        (top / "root").mkdir()
        host.rootfs = make_rootfs(top / "root")
        for path in (host.rootfs, *host.rootfs.rglob("*")):
            os.chown(path, 100_000, 100_000, follow_symlinks=False)
        yield host.rootfs
    finally:
        shutil.rmtree(top)


async def test_ids_are_mapped(host: Host, launcher: Launcher, mapped: Path) -> None:
    script = "cat /proc/self/uid_map /proc/self/gid_map; id; touch /tmp/made; stat -c %u:%g /tmp"
    text = await output(host, launcher, script, with_user_namespace)
    rows = [line.split() for line in text.splitlines()]
    assert rows[0] == rows[1] == ["0", "100000", "65536"]
    assert rows[2][:2] == ["uid=0(root)", "gid=0"] or rows[2][:2] == ["uid=0", "gid=0"]
    assert rows[3] == ["0:0"]
    assert (mapped / "tmp/made").stat().st_uid == 100_000
    assert (mapped / "tmp/made").stat().st_gid == 100_000


async def test_groups_can_be_set_where_a_privileged_process_mapped_them(
    host: Host, launcher: Launcher, mapped: Path
) -> None:
    def change(config: Config) -> None:
        with_user_namespace(config)
        config["process"]["user"] = {"uid": 7, "gid": 8, "additionalGids": [9, 65_535]}

    text = await output(host, launcher, "id -u; id -G; cat /proc/self/setgroups", change)
    assert text.split() == ["7", "8", "9", "65535", "allow"]


async def test_several_ranges(host: Host, launcher: Launcher, mapped: Path) -> None:
    ranges = [*IDS, {"containerID": 70_000, "hostID": 300_000, "size": 2}]

    def change(config: Config) -> None:
        with_user_namespace(config)
        config["linux"] |= {"uidMappings": ranges, "gidMappings": ranges}
        config["process"]["user"] = {"uid": 70_001, "gid": 70_000}

    config = configure(host, "cat /proc/self/uid_map; exec sleep 1000", change)
    monitor = await create(host, launcher, "c1", config)
    await monitor.start()
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{monitor.pid}/status").read_text().splitlines()
    )
    assert status["Uid"].split() == ["300001"] * 4
    assert status["Gid"].split() == ["300000"] * 4


async def test_root_of_the_namespace_is_nobody_outside(
    host: Host, launcher: Launcher, mapped: Path
) -> None:
    def change(config: Config) -> None:
        with_user_namespace(config)
        every = ["CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_MKNOD", "CAP_DAC_OVERRIDE"]
        config["process"]["capabilities"] = dict.fromkeys(SETS, every)

    script = (
        "mount -t tmpfs none /tmp && echo mounted;"
        "mknod /etc/disk b 8 0 || echo no node; echo 1 > /proc/sys/kernel/panic || echo no sysctl;"
        "stat -c %t:%T /dev/null; echo x > /dev/null && echo null"
    )
    text = await output(host, launcher, script, change)
    assert [line for line in text.splitlines() if "mknod" not in line and "sh:" not in line] == [
        *("mounted", "no node", "no sysctl", "1:3", "null")
    ]


async def test_a_session_enters_the_user_namespace(
    host: Host, launcher: Launcher, mapped: Path
) -> None:
    monitor = await sleeping(host, launcher, with_user_namespace)
    text = await executed(monitor, process(["sh", "-c", "id -u; cat /proc/self/uid_map"]))
    assert text.split() == ["0", "0", "100000", "65536"]


async def test_a_user_namespace_is_joined_and_owns_the_others(
    host: Host, launcher: Launcher, mapped: Path
) -> None:
    first = await sleeping(host, launcher, with_user_namespace)

    def change(config: Config) -> None:
        path = f"/proc/{first.pid}/ns/user"
        with_user_namespace(config)  # with ids, which runc asks for, although it has its own
        config["linux"]["namespaces"][-1]["path"] = path
        config["process"]["capabilities"] = {key: ["CAP_SYS_ADMIN"] for key in SETS}

    script = "readlink /proc/self/ns/user; echo $$; id -u; hostname joined && hostname"
    text = await output(host, launcher, script, change, name="c2")
    own = os.readlink(f"/proc/{first.pid}/ns/user")
    assert text.split() == [own, "1", "0", "joined"]


async def test_namespaces_are_new_or_the_runtimes(host: Host, launcher: Launcher) -> None:
    kept = ("pid", "mount")  # numbers of the host's processes would not fit the container's /proc

    def without(config: Config) -> None:
        spaces = config["linux"]["namespaces"]
        config["linux"]["namespaces"] = [each for each in spaces if each["type"] in kept]
        del config["hostname"]

    script = "; ".join(f"readlink /proc/self/ns/{name}" for name in KINDS.values())
    own = [os.readlink(f"/proc/self/ns/{name}") for name in KINDS.values()]
    new = (await output(host, launcher, script, name="new")).split()
    assert not set(new) & set(own)
    shared = (await output(host, launcher, script, without, name="own")).split()
    assert [theirs == ours for theirs, ours in zip(shared, own, strict=True)] == [
        kind not in kept for kind in KINDS
    ]


async def test_every_namespace_can_be_joined_by_its_path(host: Host, launcher: Launcher) -> None:
    first = await sleeping(host, launcher)
    paths = {kind: f"/proc/{first.pid}/ns/{name}" for kind, name in KINDS.items()}

    def change(config: Config) -> None:
        spaces = [{"type": kind, "path": path} for kind, path in paths.items()]
        config["linux"]["namespaces"] = [*spaces, {"type": "mount"}]
        del config["hostname"]

    script = "; ".join(f"readlink /proc/self/ns/{name}" for name in KINDS.values())
    text = await output(host, launcher, f"{script}; ps -o comm", change, name="c2")
    assert text.split()[:5] == [os.readlink(path) for path in paths.values()]
    assert "sleep" in text  # the other container's process


async def test_a_path_of_another_kind_is_refused(host: Host, launcher: Launcher) -> None:
    def change(config: Config) -> None:
        config["linux"]["namespaces"][2] = {"type": "network", "path": "/proc/self/ns/ipc"}

    with pytest.raises(EngineError):
        await create(host, launcher, "c1", configure(host, "true", change))


async def test_clocks_are_set_off(host: Host, launcher: Launcher) -> None:
    monitor = await sleeping(host, launcher, _with_offsets)
    up = float(Path("/proc/uptime").read_text().split()[0])
    text = await executed(monitor, process(["sh", "-c", "cat /proc/uptime /proc/1/timens_offsets"]))
    inside, offsets = text.splitlines()[0], [line.split() for line in text.splitlines()[1:]]
    assert 30 * DAY <= float(inside.split()[0]) - up < 30 * DAY + 60
    assert offsets == [["monotonic", "-5", "250000000"], ["boottime", str(30 * DAY), "0"]]


async def test_clocks_are_set_off_in_a_user_namespace(
    host: Host, launcher: Launcher, mapped: Path
) -> None:
    def change(config: Config) -> None:
        with_user_namespace(config)
        _with_offsets(config)

    text = await output(host, launcher, "cat /proc/uptime; readlink /proc/self/ns/time", change)
    assert float(text.split()[0]) > 30 * DAY
    assert text.split()[2] != os.readlink("/proc/self/ns/time")


async def test_a_time_namespace_is_joined(host: Host, launcher: Launcher) -> None:
    first = await sleeping(host, launcher, _with_offsets)
    path = f"/proc/{first.pid}/ns/time"

    def change(config: Config) -> None:
        config["linux"]["namespaces"].append({"type": "time", "path": path})

    text = await output(host, launcher, "readlink /proc/self/ns/time", change, name="c2")
    assert text.strip() == os.readlink(path)


def _with_offsets(config: Config) -> None:
    config["linux"]["namespaces"].append({"type": "time"})
    config["linux"]["timeOffsets"] = {
        "boottime": {"secs": 30 * DAY},
        "monotonic": {"secs": -5, "nanosecs": 250_000_000},
    }


async def test_an_offset_out_of_the_clocks_range_is_refused(host: Host, launcher: Launcher) -> None:
    def change(config: Config) -> None:
        _with_offsets(config)
        config["linux"]["timeOffsets"]["boottime"] = {"secs": -(2**62)}

    with pytest.raises(EngineError):
        await create(host, launcher, "c1", configure(host, "true", change))


async def test_names_of_the_machine(host: Host, launcher: Launcher) -> None:
    def change(config: Config) -> None:
        config |= {"hostname": "my-host", "domainname": "my.domain"}

    text = await output(host, launcher, "hostname; cat /proc/sys/kernel/domainname", change)
    assert text.split() == ["my-host", "my.domain"]


async def test_settings_of_its_own_namespaces(host: Host, launcher: Launcher) -> None:
    settings = {
        "net.ipv4.ip_forward": "1",
        "net/ipv4/conf/lo/forwarding": "1",
        "kernel.shm_rmid_forced": "1",
        "kernel.msgmax": "4096",
        "fs.mqueue.msg_max": "7",
        "kernel.domainname": "set.by.sysctl",
    }

    def change(config: Config) -> None:
        config["linux"]["sysctl"] = settings

    files = [key if "/" in key else key.replace(".", "/") for key in settings]
    text = await output(host, launcher, "cd /proc/sys; cat " + " ".join(files), change)
    assert text.split() == list(settings.values())
    assert Path("/proc/sys/kernel/msgmax").read_text().strip() != "4096"


@pytest.mark.parametrize(
    "broken",
    [
        {"namespaces": [{"type": "network", "path": "/proc/self/ns/net"}, {"type": "mount"}]},
        {"namespaces": [{"type": "mount"}]},
    ],
    ids=["by its path", "by default"],
)
async def test_no_setting_of_the_hosts_network(
    host: Host, launcher: Launcher, broken: dict[str, Any]
) -> None:
    def change(config: Config) -> None:
        del config["hostname"]
        config["linux"] |= {**broken, "sysctl": {"net.ipv4.ip_forward": "1"}}

    with pytest.raises(EngineError):
        await create(host, launcher, "c1", configure(host, "true", change))


async def test_a_container_that_was_never_started_is_taken_back(
    host: Host, launcher: Launcher, mapped: Path
) -> None:
    def change(config: Config) -> None:
        with_user_namespace(config)
        _with_offsets(config)

    monitor = await create(host, launcher, "c1", configure(host, "true", change))
    await bounded(monitor.delete())
    again = await create(host, launcher, "c1", configure(host, "echo again", change))
    assert await finish(again) == (0, "again\n")
