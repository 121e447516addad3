"""What a container's settings come to inside: only the real launcher and its kernel can show it."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.containers.model import (
    Device,
    ExecConfig,
    Health,
    Healthcheck,
    HostConfig,
    MountPoint,
    Resources,
    Ulimit,
)
from engine.containers.service import Containers
from engine.containers.spec import reaper
from engine.errors import InvalidArgument, Unsupported
from engine.runtime.cgroups import Stats
from tests.suites.containers.conftest import opened
from tests.suites.containers.world import BOUND, FOREVER, World, drain

pytestmark = pytest.mark.root
MIB = 1024 * 1024


@pytest.fixture(params=["real"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path, real=request.param == "real") as made:
        yield made


async def said(world: World, script: str, host: HostConfig | None = None, **config: Any) -> str:
    """What a shell script prints in a container."""
    result = await world.finished("sh", "-c", script, host=host, **config)
    output = (await world.output("web")).decode()
    assert result.code == 0, output
    return output


def settings(**fields: object) -> HostConfig:
    return HostConfig(network_mode="none", **fields)  # type: ignore[arg-type]


async def test_environment_is_the_images_and_the_containers(world: World) -> None:
    lines = (await said(world, "env", env=("A=b", "PATH=/bin"))).splitlines()
    key = world.containers.get("web").id
    assert {"A=b", "PATH=/bin", "HOME=/root", f"HOSTNAME={key[:12]}"} <= set(lines)


async def test_hostname_files_are_there(world: World) -> None:
    host = settings(extra_hosts=("db:10.1.2.3",), dns=("9.9.9.9",), dns_search=("example.org",))
    script = "cat /proc/sys/kernel/hostname /etc/hostname /etc/hosts /etc/resolv.conf"
    output = await said(world, script, host, hostname="harbour")
    assert output.splitlines()[:2] == ["harbour", "harbour"]
    assert "10.1.2.3\tdb\n" in output
    assert "nameserver 9.9.9.9\nsearch example.org\n" in output


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("bob", "uid=1000(bob) gid=1000(bob) groups=10(wheel),1000(bob)"),
        ("1000", "uid=1000(bob) gid=1000(bob) groups=10(wheel),1000(bob)"),
        ("bob:wheel", "uid=1000(bob) gid=10(wheel) groups=10(wheel)"),
        ("4242:77", "uid=4242 gid=77 groups=77"),
    ],
)
async def test_user_by_name_or_number(world: World, user: str, expected: str) -> None:
    assert (await said(world, "id", user=user)).strip() == expected


async def test_a_user_nobody_knows_is_refused_at_the_start(world: World) -> None:
    key = await world.create("id", user="nobody-here")
    with pytest.raises(InvalidArgument, match="unable to find user nobody-here: no matching"):
        await world.containers.start(key)


async def test_groups_can_be_added(world: World) -> None:
    assert "10(wheel)" in await said(world, "id", settings(group_add=("wheel",)))


async def test_binds_read_write_and_read_only(world: World, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("hello")
    host = settings(binds=(f"{tmp_path}:/rw", f"{tmp_path}:/ro:ro"))
    script = "cat /rw/in; echo out > /rw/out; touch /ro/no 2>/dev/null || echo refused"
    assert await said(world, script, host) == "hellorefused\n"
    assert (tmp_path / "out").read_text() == "out\n"


async def test_the_missing_source_of_a_bind_is_made(world: World, tmp_path: Path) -> None:
    await said(world, "touch /x/file", settings(binds=(f"{tmp_path}/a/b:/x",)))
    assert (tmp_path / "a/b/file").exists()


async def test_tmpfs_and_shm_have_their_sizes(world: World) -> None:
    mount = MountPoint(type="tmpfs", target="/scratch", tmpfs_size=2 * MIB)
    host = settings(tmpfs={"/cache": "size=1m"}, mounts=(mount,), shm_size=3 * MIB)
    output = await said(world, "cat /proc/mounts", host)
    sizes = {line.split()[1]: line for line in output.splitlines()}
    assert "size=1024k" in sizes["/cache"]
    assert "size=2048k" in sizes["/scratch"]
    assert "size=3072k" in sizes["/dev/shm"]


async def test_anonymous_volumes_exist_and_go_with_the_container(world: World) -> None:
    script = "echo kept > /data/x; cat /data/x; ls /etc/passwd"
    output = await said(world, script, volumes=("/data", "/etc"))
    assert output == "kept\n/etc/passwd\n"


async def test_read_only_root(world: World) -> None:
    host = settings(readonly_rootfs=True, tmpfs={"/run": ""})
    script = "touch /x 2>/dev/null || echo refused; touch /run/x && echo written"
    assert await said(world, script, host) == "refused\nwritten\n"


async def test_capabilities_seccomp_and_privileges(world: World) -> None:
    wanted = "grep -E 'CapEff|CapBnd|Seccomp:|NoNewPrivs' /proc/self/status"
    facts = _facts(await said(world, wanted, settings(security_opt=("no-new-privileges",))))
    assert facts == {
        "CapEff": "00000000a80425fb",
        "CapBnd": "00000000a80425fb",
        "Seccomp": "2",
        "NoNewPrivs": "1",
    }


async def test_capabilities_can_be_dropped_and_seccomp_left_out(world: World) -> None:
    host = settings(cap_drop=("ALL",), cap_add=("kill",), security_opt=("seccomp=unconfined",))
    facts = _facts(await said(world, "cat /proc/self/status", host))
    assert (facts["CapEff"], facts["Seccomp"]) == ("0000000000000020", "0")


async def test_a_user_other_than_root_holds_no_capabilities(world: World) -> None:
    facts = _facts(await said(world, "cat /proc/self/status", user="bob"))
    assert (facts["CapEff"], facts["CapBnd"]) == ("0000000000000000", "00000000a80425fb")


async def test_privileged_has_the_hosts_devices_and_no_masks(world: World) -> None:
    script = "ls /dev/kmsg; cat /proc/mounts | grep -c /proc/kcore || true"
    assert await said(world, script, settings(privileged=True)) == "/dev/kmsg\n0\n"


async def test_devices_limits_and_sysctls(world: World) -> None:
    host = settings(
        devices=(Device("/dev/zero", "/dev/nil"),),
        ulimits=(Ulimit("nofile", 64, 128),),
        sysctls={"net.ipv4.ip_forward": "1"},
        oom_score_adj=500,
    )
    script = (
        "head -c 4 /dev/nil | wc -c; ulimit -n; ulimit -Hn; cat /proc/sys/net/ipv4/ip_forward"
        " /proc/self/oom_score_adj"
    )
    assert (await said(world, script, host)).split() == ["4", "64", "128", "1", "500"]


async def test_the_hosts_network_brings_its_name_and_files(world: World) -> None:
    host = HostConfig(network_mode="host")
    output = await said(world, "cat /etc/hostname; ls /sys/class/net", host)
    assert output.splitlines()[0] == socket.gethostname()
    assert set(output.split()[1:]) == {path.name for path in Path("/sys/class/net").iterdir()}


async def test_beyond_its_memory_it_is_killed_and_that_is_said(world: World) -> None:
    limits = Resources(memory=16 * MIB, memory_swap=16 * MIB)
    result = await world.finished(
        "sh",
        "-c",
        "x=$(head -c 64000000 /dev/zero | tr '\\0' x); echo $x",
        host=settings(resources=limits),
    )
    state = world.containers.get("web").state
    assert state.oom_killed
    assert "oom" in await world.actions()
    assert result.code in (137, 1, 2)


async def test_limits_can_be_changed_while_it_runs(world: World) -> None:
    key = await world.run(host=settings(resources=Resources(memory=32 * MIB)))
    await world.containers.update(key, Resources(memory=48 * MIB, memory_swap=96 * MIB))
    stats = world.containers.statistics(key)
    assert isinstance(stats, Stats)
    assert stats.memory.limit == 48 * MIB
    assert world.containers.get(key).host_config.resources.memory == 48 * MIB
    assert (await world.actions())[-1] == "update"


async def test_statistics_end_with_the_container(world: World) -> None:
    key = await world.run(host=settings(resources=Resources(pids_limit=33)))
    stats = world.containers.statistics(key)
    assert stats is not None
    assert stats.pids.limit == 33
    await world.containers.kill(key)
    await asyncio.wait_for(world.containers.wait(key), BOUND)
    assert world.containers.statistics(key) is None


async def test_top_shows_its_processes_only(world: World) -> None:
    key = await world.run("sleep", "1000")
    top = await world.containers.top(key)
    assert top.titles == ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")
    pid = str(world.containers.get(key).state.pid)
    assert [(row[0], row[1], row[-1]) for row in top.processes] == [("root", pid, "sleep 1000")]
    custom = await world.containers.top(key, "-o pid,comm")
    assert custom.processes == ((pid, "sleep"),)
    with pytest.raises(InvalidArgument, match="Couldn't find PID field"):
        await world.containers.top(key, "-o comm")


async def test_exec_has_its_own_user_directory_and_environment(world: World) -> None:
    key = await world.run(*FOREVER, env=("A=container",))
    config = ExecConfig(
        cmd=("sh", "-c", "id -u; pwd; echo $A $B"),
        user="bob",
        working_dir="/tmp",
        env=("B=exec",),
    )
    stream = await world.containers.exec_start(world.containers.exec_create(key, config))
    assert (await drain(stream)).split() == [b"1000", b"/tmp", b"container", b"exec"]


async def test_health_follows_the_check(world: World) -> None:
    check = Healthcheck(test=("CMD-SHELL", "cat /tmp/ok"), interval=20_000_000, retries=2)
    key = await world.run(healthcheck=check)
    assert world.containers.get(key).state.health == Health("starting")
    await world.until(lambda: _health(world.containers, key) == "unhealthy", "unhealthy")
    touch = world.containers.exec_create(key, ExecConfig(cmd=("touch", "/tmp/ok")))
    await drain(await world.containers.exec_start(touch))
    await world.until(lambda: _health(world.containers, key) == "healthy", "healthy")
    actions = await world.actions()
    assert "health_status: unhealthy" in actions
    assert actions[-1] == "health_status: healthy"


async def test_a_small_init_reaps_and_passes_signals_on(world: World) -> None:
    if not any(shutil.which(name) for name in reaper.PROGRAMS):
        with pytest.raises(Unsupported, match="no static init program for --init"):
            await world.create(host=settings(init=True))
        return
    key = await world.run("sh", "-c", "echo ready; exec sleep 1000", host=settings(init=True))
    async for _ in world.log(key, follow=True):
        break  # init has set its handlers up before it runs anything
    await world.containers.stop(key, timeout=10)
    assert world.containers.get(key).state.exit_code == 143


async def test_size_is_what_was_written(world: World) -> None:
    await said(world, "head -c 100000 /dev/zero > /file")
    size = await world.containers.size("web")
    assert 100_000 <= size.rw <= 120_000
    assert size.rootfs > size.rw


def _facts(text: str) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def _health(containers: Containers, key: str) -> str:
    health = containers.get(key).state.health
    assert health is not None
    return health.status
