"""An engine whose containers' cgroups systemd makes, used by the docker command line."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SLOWDOWN, eventually
from tests.suites.cgroups.conftest import NEEDS_SYSTEMD
from tests.suites.cgroups.test_systemd import shown
from tests.system.daemons import Daemon, busybox_rootfs

pytestmark = NEEDS_SYSTEMD
MIB = 1 << 20
BOUND = 60 * SLOWDOWN


class Engine(Daemon):
    """berth's engine with the systemd driver, spelt as dockerd would have it."""

    def command(self) -> list[str]:
        driver = ("--exec-opt", "native.cgroupdriver=systemd")
        return [sys.executable, "-m", "engine", "run", *driver]

    def run(self, name: str, *options: str) -> str:
        """A container that sleeps; returns the unit that it is to be in."""
        words = ("run", "-d", "--name", name, "--network", "none", *options, "bb", "sleep", "1000")
        return f"berth-{self.docker(*words, timeout=BOUND).stdout.strip()}.scope"

    def pid(self, name: str) -> int:
        return int(self.state(name)["Pid"])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine("berth", tmp_path_factory.mktemp("engine"))
    engine.start()
    engine.docker("import", "-", "bb", input=busybox_rootfs(), timeout=BOUND)
    yield engine
    engine.close()


@pytest.fixture
def engine(running: Engine) -> Iterator[Engine]:
    """Afterwards neither units nor cgroups of its containers are left."""
    yield running
    if running.process is None or running.process.poll() is not None:
        running.start()
    ids = running.docker("ps", "-aq").stdout.split()
    running.docker("rm", "-f", *ids, timeout=BOUND) if ids else None
    eventually(lambda: not units(), what="no unit of a container is left")
    assert not [*Path("/sys/fs/cgroup").glob("**/berth-*.scope")]


def units() -> list[str]:
    command = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "berth-*.scope"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def place(pid: int) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text().strip().partition("::")[2]


def gone(unit: str) -> bool:
    return shown(unit, "LoadState") == "not-found"


def test_clients_are_told(engine: Engine) -> None:
    assert engine.docker("info", "-f", "{{.CgroupDriver}} {{.CgroupVersion}}").stdout == (
        "systemd 2\n"
    )


def test_limits_are_systemds_to_show_and_to_keep(engine: Engine) -> None:
    unit = engine.run("box", "-m", "64m", "--pids-limit", "55", "--cpus", "0.5")
    assert shown(unit, "ActiveState") == "active"
    assert shown(unit, "Slice") == "system.slice"
    assert shown(unit, "Delegate") == "yes"
    assert shown(unit, "MemoryMax") == str(64 * MIB)
    assert shown(unit, "TasksMax") == "55"
    assert shown(unit, "CPUQuotaPerSecUSec") == "500ms"
    engine.docker("update", "--pids-limit", "44", "box", timeout=BOUND)
    assert shown(unit, "TasksMax") == "44"
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    shown_inside = engine.docker("exec", "box", "cat", "/sys/fs/cgroup/pids.max", timeout=BOUND)
    assert shown_inside.stdout == "44\n"


def test_only_the_container_is_in_its_scope(engine: Engine) -> None:
    """The monitor is outside: systemd may end the scope, and its end is told all the same."""
    unit = engine.run("box")
    pid = engine.pid("box")
    assert place(pid) == f"/system.slice/{unit}"
    assert Path(f"/sys/fs/cgroup{place(pid)}/cgroup.procs").read_text().split() == [str(pid)]
    subprocess.run(["systemctl", "kill", "--signal=KILL", unit], check=True)
    engine.wait_for("box", "exited")
    assert engine.state("box")["ExitCode"] == 137


def test_it_goes_at_the_end_and_comes_again(engine: Engine) -> None:
    unit = engine.run("box")
    for _ in range(2):
        engine.docker("stop", "-t", "0", "box", timeout=BOUND)
        eventually(lambda: gone(unit))
        engine.docker("start", "box", timeout=BOUND)
        assert shown(unit, "ActiveState") == "active"
    engine.docker("restart", "-t", "0", "box", timeout=BOUND)
    assert place(engine.pid("box")) == f"/system.slice/{unit}"


def test_a_slice_of_ones_own(engine: Engine) -> None:
    unit = engine.run("box", "--cgroup-parent", "berth-test.slice")
    try:
        assert shown(unit, "Slice") == "berth-test.slice"
        assert place(engine.pid("box")) == f"/berth.slice/berth-test.slice/{unit}"
        words = ("create", "--cgroup-parent", "berth", "bb", "true")
        refused = engine.docker(*words, check=False, timeout=BOUND)
        assert 'should be a valid slice named as "xxx.slice"' in refused.stderr
    finally:
        engine.docker("rm", "-f", "box", timeout=BOUND)
        subprocess.run(["systemctl", "stop", "berth.slice"], check=True)


def test_a_killed_engine_finds_its_containers_again(engine: Engine) -> None:
    unit = engine.run("box", "--pids-limit", "55")
    pid = engine.pid("box")
    engine.kill()
    assert shown(unit, "ActiveState") == "active"
    engine.start()
    assert engine.pid("box") == pid
    engine.docker("update", "--pids-limit", "44", "box", timeout=BOUND)
    assert shown(unit, "TasksMax") == "44"
    engine.docker("stop", "-t", "0", "box", timeout=BOUND)
    eventually(lambda: gone(unit))


def test_what_ends_while_there_is_no_engine_leaves_nothing(engine: Engine) -> None:
    unit = engine.run("box")
    pid = engine.pid("box")
    engine.kill()
    os.kill(pid, 9)
    eventually(lambda: gone(unit))
    engine.start()
    assert engine.state("box")["ExitCode"] == 137


def test_a_killed_monitor_leaves_nothing(engine: Engine) -> None:
    unit = engine.run("box")
    monitor = int(Path(f"/proc/{engine.pid('box')}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(monitor, 9)
    engine.wait_for("box", "exited", seconds=30)
    eventually(lambda: gone(unit))


def test_a_refused_limit_leaves_nothing(engine: Engine) -> None:
    words = (
        "run",
        "--name",
        "box",
        "--network",
        "none",
        "--device-read-bps",
        "/dev/null:1mb",
        "bb",
    )
    assert engine.docker(*words, "true", check=False, timeout=BOUND).returncode != 0
    assert units() == []


def test_several_at_once(engine: Engine) -> None:
    words = ("run", "--network", "none", "--rm", "bb", "cat", "/proc/self/cgroup")
    started = [
        subprocess.Popen(["docker", *words], env=engine.env, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [each.communicate(timeout=BOUND)[0] for each in started] == ["0::/\n"] * 4
