"""What is particular about cgroups that systemd makes: asked of the systemd that is process 1."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import AlreadyInUse, Unavailable
from engine.runtime.cgroups import Layout, Resources, detect, files, systemd
from engine.runtime.cgroups.systemd import Scope
from tests.conftest import SLOWDOWN, eventually
from tests.suites.cgroups.conftest import NEEDS_SYSTEMD, PARENT

pytestmark = NEEDS_SYSTEMD
MIB = 1 << 20


def shown(unit: str, name: str) -> str:
    """A property as systemctl shows it."""
    command = ["systemctl", "show", "--value", "-p", name, unit]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def layout() -> Layout:
    return detect()


@pytest.fixture
def scope(layout: Layout) -> Iterator[Scope]:
    scope = Scope(layout, f"berth.slice/berth-test.slice/{PARENT}.scope")
    scope.create()
    yield scope
    scope.kill()
    scope.remove()
    subprocess.run(["systemctl", "stop", "berth.slice"], check=True)


@pytest.fixture
def sleeper(scope: Scope) -> Iterator["subprocess.Popen[bytes]"]:
    child = subprocess.Popen(["sleep", "1000"])
    scope.attach(child.pid)
    yield child
    child.kill()
    child.wait()


def test_systemd_knows_it_as_a_unit_in_its_slice(
    scope: Scope, sleeper: "subprocess.Popen[bytes]"
) -> None:
    assert shown(scope.unit, "ActiveState") == "active"
    assert shown(scope.unit, "Slice") == "berth-test.slice"
    assert shown(scope.unit, "Delegate") == "yes"
    assert shown(scope.unit, "ControlGroup") == f"/{scope.path}"
    assert scope.pids() == [sleeper.pid]


def test_it_goes_with_its_last_process(scope: Scope, sleeper: "subprocess.Popen[bytes]") -> None:
    sleeper.kill()
    sleeper.wait()
    eventually(lambda: shown(scope.unit, "LoadState") == "not-found")
    eventually(lambda: not scope.exists())


def test_limits_outlive_a_reload(scope: Scope, sleeper: "subprocess.Popen[bytes]") -> None:
    wanted = Resources(
        memory=64 * MIB,
        memory_swap=80 * MIB,
        memory_reservation=32 * MIB,
        cpu_quota=12_345,
        cpu_period=50_000,
        cpu_shares=2048,
        cpuset_cpus="0",
        pids_limit=77,
        unified=(("memory.high", str(48 * MIB)),),
    )
    assert scope.apply(wanted) == []
    names = ("memory.max", "memory.swap.max", "memory.low", "memory.high", "pids.max")
    names += ("cpu.weight", "cpu.max", "cpuset.cpus")
    before = {name: files.read(f"{scope.unified}/{name}").strip() for name in names}
    assert before["cpu.max"] == "12345 50000"
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(
        ["systemctl", "set-property", "--runtime", scope.unit, "IOWeight=200"], check=True
    )
    after = {name: files.read(f"{scope.unified}/{name}").strip() for name in names}
    assert after.pop("cpu.max") in {"12345 50000", "12500 50000"}  # whole hundredths of a second
    before.pop("cpu.max")
    assert after == before
    assert shown(scope.unit, "MemoryMax") == str(64 * MIB)
    assert shown(scope.unit, "TasksMax") == "77"


def test_a_lifted_limit_is_none_to_systemd_too(
    scope: Scope, sleeper: "subprocess.Popen[bytes]"
) -> None:
    scope.apply(Resources(memory=64 * MIB, pids_limit=5, cpu_quota=10_000))
    scope.apply(Resources(memory=-1, pids_limit=-1, cpu_quota=-1))
    for name in ("MemoryMax", "TasksMax", "CPUQuotaPerSecUSec"):
        assert shown(scope.unit, name) == "infinity"
    assert scope.stats().memory.limit is None


def test_a_name_in_use_is_refused(scope: Scope, layout: Layout) -> None:
    with pytest.raises(AlreadyInUse, match=scope.unit):
        Scope(layout, scope.path).create()
    assert scope.exists()


def test_one_that_failed_is_in_nobodys_way(scope: Scope, layout: Layout) -> None:
    child = subprocess.Popen(["sleep", "1000"])
    scope.attach(child.pid)
    scope.kill()
    child.wait()
    again = Scope(layout, scope.path)
    eventually(lambda: not scope.exists())
    again.create()
    again.kill()
    again.remove()


def test_removal_leaves_no_unit_and_may_be_asked_twice(scope: Scope) -> None:
    scope.kill()
    scope.remove()
    scope.remove()
    assert not scope.exists()
    assert shown(scope.unit, "LoadState") == "not-found"


Runtime = Callable[..., str]


@pytest.fixture
def oci(tmp_path: Path) -> Iterator[Runtime]:
    """berth-runtime with containers of its own, which are gone afterwards."""
    command = [sys.executable, "-m", "engine.ociruntime", "--root", f"{tmp_path}/state"]

    def run(*arguments: str) -> str:
        # To a file: what is created keeps the standard output, and a pipe would have no end.
        with (tmp_path / "output").open("w+") as output:
            subprocess.run(
                [*command, "--systemd-cgroup", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                check=True,
                timeout=30 * SLOWDOWN,
            )
            output.seek(0)
            return output.read()

    yield run
    run("delete", "--force", "c1")


def bundle(directory: Path) -> Path:
    """A container of busybox that sleeps, in a scope of its own, with a limit."""
    root = directory / "bundle/rootfs"
    (root / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/sleep")
    command = [sys.executable, "-m", "engine.ociruntime", "spec", "--bundle", str(root.parent)]
    subprocess.run(command, check=True)
    path = root.parent / "config.json"
    config = json.loads(path.read_text())
    config["process"] |= {"args": ["/bin/sleep", "1000"], "terminal": False}
    config["root"] = {"path": "rootfs"}
    config["linux"]["cgroupsPath"] = f"berth-test.slice:berth:{PARENT}"
    config["linux"]["resources"] = {"pids": {"limit": 55}, "memory": {"limit": 64 * MIB}}
    path.write_text(json.dumps(config))
    return root.parent


def test_a_container_of_the_oci_runtime_lives_in_its_scope(oci: Runtime, tmp_path: Path) -> None:
    unit = f"berth-{PARENT}.scope"
    oci("create", "--bundle", str(bundle(tmp_path)), "c1")
    pid = json.loads(oci("state", "c1"))["pid"]
    assert shown(unit, "ActiveState") == "active"
    assert shown(unit, "TasksMax") == "55"
    place = Path(f"/proc/{pid}/cgroup").read_text().strip()
    assert place == f"0::/berth.slice/berth-test.slice/{unit}"
    assert files.read(f"/sys/fs/cgroup{place[3:]}/cgroup.procs").split() == [str(pid)]
    oci("start", "c1")
    oci("update", "--pids-limit", "44", "c1")
    assert shown(unit, "TasksMax") == "44"
    oci("kill", "c1", "KILL")
    eventually(lambda: json.loads(oci("state", "c1"))["status"] == "stopped")
    oci("delete", "c1")
    assert shown(unit, "LoadState") == "not-found"


def test_without_a_bus_its_own_socket_serves(
    scope: Scope, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "_SYSTEM", ("/run/nothing", "/run/systemd/private"))
    other = Scope(layout, f"system.slice/{PARENT}-private.scope")
    other.create()
    assert shown(other.unit, "ActiveState") == "active"
    other.kill()
    other.remove()
    eventually(lambda: shown(other.unit, "LoadState") == "not-found")


def test_a_systemd_that_does_not_answer_keeps_nothing(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(systemd, "_SYSTEM", ("/run/nothing",))
        scope.kill()
        scope.remove()
    assert not scope.exists()
    eventually(lambda: shown(scope.unit, "LoadState") == "not-found")


def test_without_systemd_the_places_are_named(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "_SYSTEM", ("/run/nothing",))
    with pytest.raises(Unavailable, match="no D-Bus at /run/nothing"):
        Scope(layout, f"system.slice/{PARENT}-none.scope").create()
