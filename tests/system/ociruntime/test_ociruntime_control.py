"""kill, pause, resume, update: what acts on a container that is there."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.system.ociruntime.cli import LOOP, Cli, alive, cgroups_of, pids_of

pytestmark = pytest.mark.root


@pytest.mark.parametrize("name", ["TERM", "sigterm", "15", "SIGTERM"])
def test_signals_by_name_and_number(cli: Cli, name: str) -> None:
    cli.run("c", *LOOP, change=lambda config: config["process"].update(terminal=False))
    pid = cli.state("c")["pid"]
    eventually(lambda: handles(pid, signal.SIGTERM), what="the trap is set")
    cli.well("kill", "c", name)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def handles(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = re.search(r"SigCgt:\s*(\w+)", status)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def test_no_such_signal(cli: Cli) -> None:
    cli.run("c", *LOOP)
    assert cli("kill", "c", "SIGNONE").returncode == 1
    assert cli.state("c")["status"] == "running"


def test_a_stopped_container_takes_no_signal(cli: Cli) -> None:
    cli.run("c", "true")
    cli.becomes("c", "stopped")
    done = cli("kill", "c", "KILL")
    assert done.returncode == 1 and "container not running" in done.stderr
    cli.well("kill", "--all", "c", "KILL")


def test_kill_all_reaches_every_process(cli: Cli) -> None:
    cli.run("c", "sh", "-c", "sleep 1000 & wait")
    pids = eventually(lambda: [*pids_of(cli, "c")][1:] and pids_of(cli, "c"), what="two processes")
    cli.well("kill", "--all", "c", "KILL")
    eventually(lambda: not any(map(alive, pids)), what="all processes end")


def test_pause_and_resume(cli: Cli) -> None:
    cli.run("c", *LOOP)
    cli.well("pause", "c")
    assert cli.state("c")["status"] == "paused"
    assert cli("exec", "c", "true").returncode == 255
    cli.well("resume", "c")
    assert cli.state("c")["status"] == "running"
    assert cli("resume", "c").returncode == 1


def test_a_paused_container_is_deleted_by_force(cli: Cli) -> None:
    cli.run("c", *LOOP)
    cli.well("pause", "c")
    cli.well("delete", "--force", "c")
    assert not cgroups_of(cli, "c")


def test_update_by_flags_and_by_document(cli: Cli) -> None:
    cli.run("c", *LOOP)
    cli.well("update", "--pids-limit", "50", "c")
    assert limit(cli, "c", "pids.max") == "50"
    cli.well("update", "--resources", "-", "c", stdin=None, input='{"pids": {"limit": 60}}')
    assert limit(cli, "c", "pids.max") == "60"


def limit(cli: Cli, name: str, file: str) -> str:
    (found,) = (path / file for path in cgroups_of(cli, name) if (path / file).exists())
    return found.read_text().strip()
