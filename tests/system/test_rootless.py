"""A user without root runs the engine and containers, driven by the real docker CLI."""

import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.system.conftest import UserOf, begin
from tests.system.unprivileged import IMAGE, TRAP, Unprivileged, owner, pid_of

pytestmark = pytest.mark.root

WITHOUT_CGROUP = pytest.mark.skipif(
    Path("/sys/fs/cgroup/cgroup.controllers").exists(),
    reason="about cgroup v1, which is never a user's; v2 may be delegated",
)


@pytest.fixture(scope="module")
def user(rootfs_tar: bytes) -> Iterator[Unprivileged]:
    """With sub-ids, an engine and an image."""
    made = Unprivileged()
    try:
        begin(made, rootfs_tar)
        yield made
    finally:
        made.close()


@pytest.fixture
def started(user: Unprivileged) -> Iterator[Unprivileged]:
    """The same, without containers afterwards and with an engine that runs."""
    yield user
    listed = user.docker("ps", "-aq", check=False)
    if listed.returncode:
        user.berth("start")
        listed = user.docker("ps", "-aq")
    if ids := listed.stdout.split():
        user.docker("rm", "-f", *ids)


def namespace(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/ns/user")


def engine_pid(user: Unprivileged) -> int:
    return int((user.runtime / "berth" / "engine.pid").read_text())


def test_root_inside_is_the_user_outside(started: Unprivileged) -> None:
    started.docker("run", "-d", "--name", "box", IMAGE, "sleep", "1000")
    assert owner(pid_of(started, "box")) == started.uid
    assert started.docker("exec", "box", "id", "-u").stdout == "0\n"
    assert owner(engine_pid(started)) == started.uid


def test_another_user_inside_is_a_sub_id_outside(started: Unprivileged) -> None:
    shared = started.home / "shared"
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    mount = ("-v", f"{shared}:/shared")
    started.docker("run", "--rm", "-u", "1000", *mount, IMAGE, "touch", "/shared/file")
    assert (shared / "file").stat().st_uid == started.first + 1000 - 1
    started.docker("run", "-d", "--name", "box", "-u", "1000", IMAGE, "sleep", "1000")
    assert owner(pid_of(started, "box")) == started.first + 1000 - 1


def test_logs_exec_stop_and_exit_code(started: Unprivileged) -> None:
    started.docker("run", "-d", "--name", "box", IMAGE, "sh", "-c", TRAP)
    eventually(lambda: started.docker("logs", "box").stdout == "up\n")
    assert started.docker("exec", "box", "echo", "in").stdout == "in\n"
    assert started.docker("exec", "box", "sh", "-c", "exit 9", check=False).returncode == 9
    started.docker("stop", "box")
    assert started.docker("wait", "box").stdout == "7\n"


def test_image_of_host_programs(started: Unprivileged) -> None:
    started.run("berth", "image", "from-host", "sh", "ls", "--tag", "host:1")
    assert "bin" in started.docker("run", "--rm", "host:1", "ls", "/").stdout


def test_a_terminal_works(started: Unprivileged) -> None:
    assert started.docker("run", "--rm", "-t", IMAGE, "tty").stdout.strip() == "/dev/pts/0"


def test_layers_hide_what_is_below(started: Unprivileged) -> None:
    """A deleted directory that is made again is an opaque one, marked with a user's attribute."""
    keep = "mkdir /tmp/b && cat /bin/busybox >/tmp/b/busybox && chmod 755 /tmp/b/busybox"
    script = (
        f"{keep} && B=/tmp/b/busybox && $B rm -r /bin && $B mkdir /bin && $B ls /bin | $B wc -l"
    )
    assert started.docker("run", "--rm", IMAGE, "sh", "-c", script).stdout.strip() == "0"


def test_the_hosts_processes_may_be_shared(started: Unprivileged) -> None:
    shown = started.docker("run", "--rm", "--pid", "host", IMAGE, "ps", "-o", "args").stdout
    assert "-m engine run" in shown


def test_the_hosts_names_and_memory_may_be_shared(started: Unprivileged) -> None:
    done = started.docker("run", "--rm", "--uts", "host", IMAGE, "hostname")
    assert done.stdout.strip() == socket.gethostname()
    script = "readlink /proc/self/ns/ipc"
    shared = started.docker("run", "--rm", "--ipc", "host", IMAGE, "sh", "-c", script)
    assert shared.stdout.strip() == os.readlink("/proc/self/ns/ipc")


@WITHOUT_CGROUP
def test_limits_that_nobody_enforces_are_told(started: Unprivileged) -> None:
    done = started.docker("run", "--rm", "-m", "64m", "--cpus", "1", IMAGE, "true")
    assert "memory limit capabilities" in done.stderr
    assert "CPU" in done.stderr
    info = json.loads(started.docker("info", "-f", "{{json .}}").stdout)
    assert (info["CgroupDriver"], info["MemoryLimit"]) == ("none", False)
    refused = started.docker("run", "-d", "--name", "box", IMAGE, "sleep", "1000")
    assert refused.returncode == 0
    paused = started.docker("pause", "box", check=False)
    assert "no freezer cgroup" in paused.stderr


@WITHOUT_CGROUP
def test_the_demo_leaves_out_what_nothing_would_bound(started: Unprivileged) -> None:
    said = started.run("berth", "demo", "--headless").stdout
    assert "left out demo-grower" in said
    assert said.rstrip().endswith("the demo works")


def test_what_a_user_may_not_raise_is_clamped_and_told(started: Unprivileged) -> None:
    asked = ("--ulimit", "nofile=900000000:900000000", "--oom-score-adj", "-500")
    script = "ulimit -n; cat /proc/self/oom_score_adj"
    done = started.docker("run", "--rm", "--name", "box", *asked, IMAGE, "sh", "-c", script)
    files, score = map(int, done.stdout.split())
    assert 0 < files < 900000000
    assert score > -500
    said = (started.home / ".local/share/berth/engine.log").read_text()
    assert "container box: ulimit nofile" in said
    assert "container box: oom_score_adj -500 is not permitted" in said


def test_info_says_rootless(started: Unprivileged) -> None:
    info = json.loads(started.docker("info", "-f", "{{json .}}").stdout)
    assert "name=rootless" in info["SecurityOptions"]
    assert info["Driver"] == "overlay2"


def test_figures_come_from_proc_without_a_cgroup(started: Unprivileged) -> None:
    busy = "sleep 1000 & while :; do :; done"
    started.docker("run", "-d", "--name", "box", IMAGE, "sh", "-c", busy)
    shown = started.docker("top", "box").stdout
    assert "sleep 1000" in shown and "while :" in shown
    form = "{{.CPUPerc}} {{.MemUsage}} {{.PIDs}}"

    def stats() -> list[str]:
        words = started.docker("stats", "--no-stream", "--format", form, "box").stdout.split()
        return words if float(words[0].rstrip("%")) > 5 else []

    words = eventually(stats, what="the container uses the processor")
    assert words[1] != "0B"
    assert words[-1] == "2"


def test_a_restarted_engine_finds_its_containers(started: Unprivileged) -> None:
    started.docker("run", "-d", "--name", "box", IMAGE, "sh", "-c", TRAP)
    pid, home = pid_of(started, "box"), namespace(engine_pid(started))
    assert "its containers keep running" in started.berth("stop").stdout
    assert owner(pid) == started.uid
    started.berth("start")
    assert pid_of(started, "box") == pid
    assert namespace(engine_pid(started)) == home
    assert started.docker("exec", "box", "id", "-u").stdout == "0\n"
    os.kill(engine_pid(started), 9)
    started.berth("start")
    started.docker("stop", "box")
    assert started.docker("wait", "box").stdout == "7\n"


def test_the_keeper_may_be_killed(started: Unprivileged) -> None:
    """The next engine finds the namespaces by a monitor, and a keeper is there again."""
    started.docker("run", "-d", "--name", "box", IMAGE, "sleep", "1000")
    pid, home = pid_of(started, "box"), namespace(engine_pid(started))
    os.kill(started.pid_of("rootless.keeper"), 9)
    log = started.home / ".local/share/berth/engine.log"
    eventually(lambda: "the keeper of the namespaces died" in log.read_text())
    os.kill(engine_pid(started), 9)
    started.berth("start")
    assert pid_of(started, "box") == pid
    assert namespace(engine_pid(started)) == home
    assert started.pid_of("rootless.keeper")


def test_the_keeper_outlives_engine_and_ends_with_the_last_container(
    started: Unprivileged,
) -> None:
    started.docker("run", "-d", "--name", "box", IMAGE, "sleep", "1000")
    started.berth("stop")
    keeper, pid = started.pid_of("rootless.keeper"), started.pid_of("sleep 1000")
    assert keeper
    os.kill(pid, 9)
    eventually(lambda: not started.processes(), what="nothing of the user runs")


def test_host_network_has_a_way_out(started: Unprivileged) -> None:
    if not Path("/dev/net/tun").exists():
        pytest.skip("this machine has no /dev/net/tun: modprobe tun")
    shown = started.docker("run", "--rm", "--network", "host", IMAGE, "cat", "/proc/net/route")
    assert "tap0" in shown.stdout
    names = started.docker("run", "--rm", "--network", "host", IMAGE, "cat", "/etc/resolv.conf")
    assert "nameserver 10.0.2.3" in names.stdout
    helper = started.pid_of("slirp4netns")
    assert owner(helper) == started.uid


def test_nothing_is_left(started: Unprivileged) -> None:
    started.docker("run", "-d", "--name", "box", IMAGE, "sleep", "1000")
    started.docker("rm", "-f", "box")
    started.berth("stop")
    eventually(lambda: not started.processes(), what="nothing of the user runs")
    assert str(started.folder) not in Path("/proc/self/mountinfo").read_text()
    left = {path.name for path in (started.runtime / "berth").iterdir()}
    assert not [name for name in left if name.endswith((".sock", ".pid"))]
    assert not list((started.runtime / "berth" / "bundles").iterdir())


def test_pasta_is_as_good(user_of: UserOf, rootfs_tar: bytes) -> None:
    if shutil.which("pasta") is None or not Path("/dev/net/tun").exists():
        pytest.skip("needs pasta and /dev/net/tun: run scripts/test-packages")
    made = user_of(without=("slirp4netns",))
    assert "pasta" in made.berth("doctor", check=False).stdout
    begin(made, rootfs_tar)
    names = made.docker("run", "--rm", "--network", "host", IMAGE, "cat", "/etc/resolv.conf")
    assert "nameserver 169.254.1.1" in names.stdout
    made.docker("run", "-d", "--name", "box", "--network", "host", IMAGE, "sleep", "1000")
    first = made.pid_of("pasta --config-net")
    os.kill(made.pid_of("rootless.keeper"), 9)
    made.berth("stop")
    made.berth("start")
    route = made.docker("exec", "box", "cat", "/proc/net/route").stdout
    assert len(route.splitlines()) > 1
    assert made.pid_of("pasta --config-net") != first
    made.docker("rm", "-f", "box")
    made.berth("stop")
    eventually(lambda: not made.processes(), what="nothing of the user runs")


@pytest.mark.parametrize(
    ("without", "driver"), [((), "fuse-overlayfs"), (("fuse-overlayfs",), "copy")]
)
def test_where_the_kernel_stacks_no_layers(
    user_of: UserOf, without: tuple[str, ...], driver: str, rootfs_tar: bytes
) -> None:
    if not Path("/dev/fuse").exists():
        pytest.skip("this machine has no /dev/fuse: modprobe fuse")
    made = user_of(without=without, stacked=True)
    assert "warn  overlayfs without root" in made.berth("doctor").stdout
    begin(made, rootfs_tar)
    assert made.docker("info", "-f", "{{.Driver}}").stdout == f"{driver}\n"
    made.docker("run", "-d", "--name", "box", "-u", "1000", IMAGE, "sh", "-c", TRAP)
    made.berth("stop")
    made.berth("start")
    assert made.docker("exec", "box", "cat", "/etc/plain").stdout == "plain\n"
    made.docker("exec", "box", "touch", "/tmp/made")
    made.docker("stop", "box")
    eventually(lambda: not made.pid_of("fuse-overlayfs"), what="nothing serves its layers")
    made.docker("start", "box")
    assert made.docker("exec", "box", "ls", "/tmp").stdout == "made\n"
    made.docker("rm", "-f", "box")
    made.berth("stop")
    eventually(lambda: not made.processes(), what="nothing of the user runs")


def test_a_covered_proc_is_named(user_of: UserOf, rootfs_tar: bytes) -> None:
    made = user_of(covered=True)
    assert "FAIL  proc without root" in made.berth("doctor", check=False).stdout
    begin(made, rootfs_tar)
    refused = made.docker("run", "--rm", IMAGE, "true", check=False)
    assert "/proc are covered" in refused.stderr
    shown = made.docker("run", "--rm", "--pid", "host", IMAGE, "readlink", "/proc/self")
    assert shown.stdout.strip().isdecimal()


def cgroup2() -> Path | None:
    rows = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return next((Path(row[4]) for row in rows if "cgroup2" in row[row.index("-") :]), None)


@pytest.fixture
def delegated(user_of: UserOf) -> Unprivileged:
    """A user with a delegated cgroup."""
    mount_point = cgroup2()
    if mount_point is None:
        pytest.skip("no cgroup v2 is mounted: mount -t cgroup2 none /mnt")
    made = user_of()
    made.delegate(mount_point)
    return made


def test_a_delegated_cgroup_is_used(delegated: Unprivileged, rootfs_tar: bytes) -> None:
    begin(delegated, rootfs_tar)
    given = delegated.cgroup
    assert given is not None
    delegated.docker("run", "-d", "--name", "box", "-m", "64m", IMAGE, "sleep", "1000")
    place = Path(f"/proc/{pid_of(delegated, 'box')}/cgroup").read_text()
    assert f"0::/{given.name}/berth/" in place
    assert (given / "berth-engine" / "cgroup.procs").read_text().split()
    if "memory" in (given / "cgroup.controllers").read_text().split():
        limits = [path.read_text() for path in given.glob("berth/*/memory.max")]
        assert f"{64 << 20}\n" in limits
    delegated.docker("pause", "box")
    delegated.berth("stop")
    delegated.berth("start")
    assert delegated.docker("inspect", "-f", "{{.State.Paused}}", "box").stdout == "true\n"
    delegated.docker("unpause", "box")
    assert "sleep 1000" in delegated.docker("top", "box").stdout
    delegated.docker("rm", "-f", "box")
    delegated.berth("stop")
    eventually(lambda: not (given / "berth").exists(), what="no cgroup of a container is left")


def test_without_a_helper_the_host_network_is_the_machines(
    user_of: UserOf, rootfs_tar: bytes
) -> None:
    made = user_of(without=("slirp4netns", "pasta"))
    begin(made, rootfs_tar)
    script = "readlink /proc/self/ns/net; ls -d /sys/class"
    shown = made.docker("run", "--rm", "--network", "host", IMAGE, "sh", "-c", script)
    assert shown.stdout.split() == [os.readlink("/proc/self/ns/net"), "/sys/class"]
    warnings = made.docker("info", "-f", "{{json .Warnings}}").stdout
    assert "neither slirp4netns nor pasta is installed" in warnings


def test_half_a_delegation_is_none(delegated: Unprivileged, rootfs_tar: bytes) -> None:
    given = delegated.cgroup
    assert given is not None
    os.chown(given / "cgroup.procs", 0, 0)
    begin(delegated, rootfs_tar)
    delegated.docker("run", "--rm", IMAGE, "true")
    assert "cgroups: " in delegated.docker("info", "-f", "{{json .Warnings}}").stdout
    assert not [path for path in given.iterdir() if path.is_dir()]


def test_doctor_says_what_is_missing(user: Unprivileged) -> None:
    done = user.berth("doctor")
    assert "FAIL" not in done.stdout
    assert "ok    sub-ids: 65537 user ids" in done.stdout
    assert "ok    overlayfs without root: works" in done.stdout


def test_a_run_directory_of_somebody_else_is_refused(user: Unprivileged) -> None:
    place = user.folder / "foreign"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    done = user.berth("run", "--run-dir", str(place / "run"), check=False)
    assert done.returncode == 1
    assert f"berth: {place} can be written by everybody" in done.stderr
