"""Containers outlive the engine, and the engine tells the truth about them afterwards."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.system.conftest import IMAGE
from tests.system.daemons import Daemon

pytestmark = pytest.mark.root

COUNTER = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done"


def run(daemon: Daemon, name: str, script: str, *options: str) -> None:
    daemon.docker("run", "-d", "--name", name, *options, IMAGE, "sh", "-c", script)


def alive(pid: int) -> bool:
    """Whether it still runs; an orphan that has ended may wait a while for pid 1 to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "XZ"
    except (FileNotFoundError, ProcessLookupError):
        return False


def lines(daemon: Daemon, name: str) -> list[int]:
    return [int(line) for line in daemon.docker("logs", name).stdout.splitlines()]


def test_running_ones_run_on_and_their_log_has_no_gap(own_berth: Daemon) -> None:
    for name in ("one", "two", "three"):
        run(own_berth, name, COUNTER)
    before = {name: own_berth.state(name)["Pid"] for name in ("one", "two", "three")}
    own_berth.kill()
    assert all(Path(f"/proc/{pid}").exists() for pid in before.values())
    own_berth.start()
    for name, pid in before.items():
        state = own_berth.state(name)
        assert (state["Status"], state["Pid"]) == ("running", pid)
        seen = eventually(lambda name=name: (n := lines(own_berth, name))[-1:] > [100] and n)
        assert seen == list(range(1, len(seen) + 1))


def test_an_exit_while_the_engine_is_away_is_known(own_berth: Daemon) -> None:
    run(own_berth, "one", "while [ ! -e /go ]; do sleep 0.02; done; echo last; exit 11")
    pid = own_berth.state("one")["Pid"]
    root = Path(f"/proc/{pid}/root")
    own_berth.kill()
    (root / "go").touch()
    eventually(lambda: not alive(pid), what="the container ends")
    own_berth.start()
    state = own_berth.state("one")
    assert (state["Status"], state["ExitCode"]) == ("exited", 11)
    assert own_berth.docker("logs", "one").stdout == "last\n"


def test_exec_stop_attach_and_stats_work_on_an_adopted_one(own_berth: Daemon) -> None:
    run(own_berth, "one", "trap 'exit 5' TERM; while :; do sleep 0.05; done")
    own_berth.kill()
    own_berth.start()
    assert own_berth.docker("exec", "one", "echo", "in").stdout == "in\n"
    assert (
        own_berth.docker("stats", "--no-stream", "--format", "{{.PIDs}}", "one").stdout.strip()
        != "0"
    )
    own_berth.docker("stop", "one")
    assert own_berth.state("one")["ExitCode"] == 5


def test_a_lost_monitor_is_255_and_never_0(own_berth: Daemon) -> None:
    run(own_berth, "one", "sleep 1000")
    pid = own_berth.state("one")["Pid"]
    monitor = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    own_berth.kill()
    os.kill(monitor, 9)
    eventually(lambda: not alive(monitor), what="the monitor is gone")
    own_berth.start()
    state = own_berth.wait_for("one", "exited")
    assert state["ExitCode"] == 255
    assert not alive(pid), "no unsupervised process is left"
    own_berth.docker("start", "one")
    assert own_berth.state("one")["Running"] is True


def test_restart_policy_is_kept_after_an_engine_restart(own_berth: Daemon) -> None:
    run(own_berth, "one", "sleep 1000", "--restart", "always")
    own_berth.kill()
    own_berth.start()
    pid = own_berth.state("one")["Pid"]
    os.kill(pid, 9)
    eventually(lambda: own_berth.state("one")["Pid"] not in (0, pid), what="restarted")


def test_a_graceful_stop_leaves_containers_running(own_berth: Daemon) -> None:
    run(own_berth, "one", COUNTER)
    pid = own_berth.state("one")["Pid"]
    own_berth.stop()
    assert own_berth.process is not None
    assert own_berth.process.returncode == 0
    assert Path(f"/proc/{pid}").exists()


def test_the_engine_is_back_quickly_with_ten_containers(own_berth: Daemon) -> None:
    own_berth.kill()
    alone = seconds_to_start(own_berth)
    for number in range(10):
        own_berth.docker("run", "-d", "--name", f"n{number}", IMAGE, "sleep", "1000")
    own_berth.kill()
    assert seconds_to_start(own_berth) < alone + 5
    listed = own_berth.docker("ps", "--format", "{{.Names}}").stdout.split()
    assert len(listed) == 10


def seconds_to_start(daemon: Daemon) -> float:
    began = time.monotonic()
    daemon.start()
    return time.monotonic() - began


def test_a_second_engine_on_the_same_data_says_so(own_berth: Daemon) -> None:
    second = own_berth.second(BERTH_RUN_DIR=str(own_berth.folder / "run2"))
    assert second.returncode == 1
    assert str(own_berth.process and own_berth.process.pid) in second.stderr
    assert "Traceback" not in second.stderr
    assert own_berth.docker("version", check=False).returncode == 0


def test_a_damaged_database_is_set_aside_and_named(own_berth: Daemon) -> None:
    own_berth.stop()
    data = own_berth.folder / "data"
    databases = list(data.rglob("*.db"))
    assert len(databases) == 1
    for path in data.rglob("*.db-*"):
        path.unlink()
    databases[0].write_bytes(b"this is not a database" * 1000)
    own_berth.start()
    assert databases[0].name in own_berth.log()
    assert list(data.rglob("*.damaged-*"))
    own_berth.docker("import", "-", "again", input=b"\0" * 10240)
    with contextlib.closing(sqlite3.connect(databases[0])) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)


def test_a_damaged_bundle_is_named_and_the_rest_works(own_berth: Daemon) -> None:
    run(own_berth, "good", "sleep 1000")
    run(own_berth, "bad", "sleep 1000")
    identity = own_berth.inspect("bad")["Id"]
    own_berth.kill()
    bundle = own_berth.folder / "run" / "bundles" / identity
    (bundle / "state.json").write_text("{ broken")
    own_berth.start()
    assert own_berth.state("good")["Running"] is True
    assert own_berth.docker("rm", "-f", "bad", check=False).returncode == 0
    assert identity[:12] in own_berth.log()


def footprint(daemon: Daemon) -> dict[str, int]:
    """What a container could leave behind: mounts, cgroups, processes.

    Cgroups in which the engine has a container ready ahead do not count: there are always two.
    """
    mounts = Path("/proc/self/mountinfo").read_text().count(str(daemon.folder))
    groups = [path for path in Path("/sys/fs/cgroup").glob(f"*/{daemon.parent}/*") if path.is_dir()]
    ready = {path.name for path in groups if path.match("pids/*/spare-*")}
    return {"mounts": mounts, "cgroups": len([path for path in groups if path.name not in ready])}


def test_nothing_is_left_of_a_removed_container(own_berth: Daemon) -> None:
    def files() -> list[str]:
        found = []
        for top in ("data", "run"):
            for path in (own_berth.folder / top).rglob("*"):
                if path.suffix not in (".db-wal", ".db-shm", ".log"):
                    found.append(str(path))
        return sorted(found)

    own_berth.docker("run", "--rm", IMAGE, "true")
    eventually(lambda: footprint(own_berth)["cgroups"] == 0 or None, what="cgroups gone")
    before, files_before = footprint(own_berth), files()
    for number in range(5):
        own_berth.docker("run", "-d", "--name", f"n{number}", "-m", "64m", IMAGE, "sleep", "1000")
    own_berth.docker("run", "--name", "fails", IMAGE, "/nosuch", check=False)
    own_berth.docker("rm", "-f", "fails", *(f"n{number}" for number in range(5)))
    eventually(lambda: footprint(own_berth) == before or None, what="nothing left")
    eventually(lambda: files() == files_before or None, what="no file left")


def test_engine_start_status_and_stop(tmp_path: Path) -> None:
    daemon = Daemon("berth", tmp_path / "e")

    def berth(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["berth", "engine", *words],
            env=daemon.env,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    daemon.environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    assert berth("status").returncode != 0
    try:
        assert berth("start").returncode == 0
        assert berth("start").returncode == 0, "asking twice is no error"
        status = berth("status")
        assert status.returncode == 0
        assert str(daemon.socket) in status.stdout
        answer = json.loads(daemon.docker("version", "--format", "{{json .Server}}").stdout)
        assert answer["Version"]
    finally:
        stopped = berth("stop")
    assert stopped.returncode == 0
    assert berth("status").returncode != 0
