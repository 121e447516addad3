"""What goes wrong from outside: kills at any moment, two calls at once, pids of somebody else."""

import json
import os
import random
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import eventually
from tests.system.ociruntime.cli import CGROUP_PARENT, LOOP, Cli, alive, cgroups_of, pids_of, reap

pytestmark = pytest.mark.root

ROUNDS = 12


def test_a_create_that_is_killed_leaves_what_delete_takes(berth: Cli) -> None:
    """Whatever it had made: no process goes on, and the name can be had again."""
    bundle = berth.bundle("c", *LOOP)
    moments = random.Random(1)
    for _ in range(ROUNDS):
        creating = _popen(berth, "create", "--bundle", bundle, "c")
        _wait(creating, moments.uniform(0.02, 0.25))
        creating.kill()
        creating.wait(30)
        if berth("state", "c").returncode == 0 and berth.state("c")["status"] == "created":
            berth.well("start", "c")  # it was done, and nobody had been told
        else:
            eventually(lambda: not _processes(berth), what="init ends with its maker")
        berth.well("delete", "--force", "c")
        reap()
        assert not (berth.root / "c").exists() and not cgroups_of(berth, "c")


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Until the moment has come, or the process has ended before."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        os.sched_yield()


def _popen(cli: Cli, *words: str) -> subprocess.Popen[bytes]:
    null = subprocess.DEVNULL
    command = [cli.program, "--root", str(cli.root), *words]
    return subprocess.Popen(command, stdin=null, stdout=null, stderr=null)


def _processes(cli: Cli) -> list[int]:
    reap()
    found = [path / "cgroup.procs" for path in cgroups_of(cli, "c")]
    return [int(pid) for path in found if path.exists() for pid in path.read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_create_that_is_ended_takes_everything_back(
    berth: Cli, number: signal.Signals, tmp_path: Path
) -> None:
    """A hook holds it in the middle."""
    told = tmp_path / "told"
    script = f"echo $$ > {told}; exec sleep 1000"

    def held(config: Any) -> None:
        hook = {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]}
        config["hooks"] = {"createRuntime": [hook]}

    creating = _popen(berth, "create", "--bundle", berth.bundle("c", *LOOP, change=held), "c")
    eventually(lambda: told.exists() and told.read_text().endswith("\n"), what="the hook runs")
    assert berth.state("c")["status"] == "creating"
    creating.send_signal(number)
    assert creating.wait(30) != 0
    assert os.listdir(berth.root) == [] and not cgroups_of(berth, "c")
    assert not alive(int(told.read_text()))


def test_one_of_two_creates_makes_it(berth: Cli) -> None:
    bundle = berth.bundle("c", *LOOP)
    codes = _at_once(berth, 4, "create", "--bundle", bundle, "c")
    assert sorted(codes) == [0, 1, 1, 1]
    assert berth.state("c")["status"] == "created"


def test_one_of_two_starts_starts_it(berth: Cli) -> None:
    berth.create("c", *LOOP)
    assert sorted(_at_once(berth, 4, "start", "c")) == [0, 1, 1, 1]
    assert berth.state("c")["status"] == "running"


def test_deletes_at_once_leave_nothing(berth: Cli) -> None:
    berth.run("c", *LOOP)
    assert _at_once(berth, 4, "delete", "--force", "c") == [0, 0, 0, 0]
    assert os.listdir(berth.root) == [] and not cgroups_of(berth, "c")


def _at_once(cli: Cli, count: int, *words: str) -> list[int]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: _popen(cli, *words).wait(60), range(count)))


@pytest.mark.parametrize("key", ["pid_start", "boot"])
def test_a_pid_of_somebody_else_is_not_believed(berth: Cli, key: str) -> None:
    """The process that has the container's number now, or had it before a reboot, is spared."""
    berth.run("c", *LOOP)
    pid = berth.state("c")["pid"]
    path = berth.root / "c" / "state.json"
    document = json.loads(path.read_text())
    before = path.read_text()
    with subprocess.Popen(["sleep", "1000"]) as other:
        document["pid"] = other.pid
        document[key] = {"pid_start": 1, "boot": "another"}[key]
        path.write_text(json.dumps(document))
        try:
            assert berth.state("c")["status"] == "stopped"
            assert berth("kill", "c", "KILL").returncode == 1
            assert berth("exec", "c", "true").returncode == 255
            assert other.poll() is None
        finally:
            other.kill()
            path.write_text(before)
    assert alive(pid) and pids_of(berth, "c")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', "null"])
def test_a_record_that_cannot_be_read_is_removed_by_force(berth: Cli, content: str) -> None:
    (berth.root / "c").mkdir(parents=True)
    (berth.root / "c" / "state.json").write_text(content)
    berth.well("list")
    berth.well("delete", "--force", "c")
    assert os.listdir(berth.root) == []


def test_a_cgroup_that_was_made_by_half_is_removed_by_force(berth: Cli) -> None:
    """Here in one hierarchy, where there are several; `create` was killed before the others."""
    pids = Path("/sys/fs/cgroup/pids")
    half = (pids if pids.is_dir() else pids.parent) / CGROUP_PARENT / "berth-c"
    half.mkdir(parents=True)
    (berth.root / "c").mkdir(parents=True)
    document = {"id": "c", "cgroup": f"{CGROUP_PARENT}/berth-c"}
    (berth.root / "c" / "state.json").write_text(json.dumps(document))
    berth.well("delete", "--force", "c")
    assert not half.exists() and os.listdir(berth.root) == []


def test_what_a_container_removed_from_its_bundle_is_not_missed(berth: Cli) -> None:
    bundle = Path(berth.bundle("c", *LOOP))
    berth.detached("run", "--detach", "--bundle", str(bundle), "c")
    (bundle / "config.json").unlink()
    assert berth.well("exec", "c", "echo", "well") == "well\n"
    berth.well("delete", "--force", "c")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"process": {"args": ["true"], "cwd": "x"}}, "process.cwd"),
        ({"root": {"path": "/nowhere"}}, "root.path"),
        ({"root": {}}, "root.path"),
        ({"linux": {"namespaces": [{"type": "nonsense"}]}}, "linux.namespaces[0].type"),
        ({"mounts": [{"destination": 5}]}, "mounts[0].destination"),
        ({"linux": {"cgroupsPath": "/../x"}}, "linux.cgroupsPath"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_configuration_is_refused_by_name(berth: Cli, change: Any, field: str) -> None:
    def spoilt(config: Any) -> None:
        for key, value in change.items():
            config[key] = config[key] | value if isinstance(value, dict) and value else value

    done = berth.create("c", "true", change=spoilt)
    assert done.returncode == 1 and field in done.stderr
    assert not berth.root.exists() or os.listdir(berth.root) == []
