"""A container without a cgroup: `--cgroup-manager disabled`, which crun and podman call so."""

import json
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.system.ociruntime.cli import LOOP, Cli, alive, cgroups_of, pids_of

pytestmark = pytest.mark.root

FAMILY = ("sh", "-c", "sleep 1000 & sleep 1000 & wait")


def run(berth: Cli, *program: str, pids: bool = True) -> int:
    """The pid of a container without a cgroup, with or without a pid namespace."""

    def change(config: dict[str, dict[str, list[dict[str, str]]]]) -> None:
        spaces = config["linux"]["namespaces"]
        config["linux"]["namespaces"] = [
            each for each in spaces if each["type"] != "cgroup" and (pids or each["type"] != "pid")
        ]

    bundle = berth.bundle("c", *program, change=change)
    flags = ("--cgroup-manager", "disabled")
    done = berth.detached(*flags, "run", "--detach", "--bundle", bundle, "c")
    assert done.returncode == 0, done.stderr
    return int(berth.state("c")["pid"])


def test_it_stays_in_the_cgroup_of_its_caller(berth: Cli) -> None:
    pid = run(berth, *LOOP)
    assert Path(f"/proc/{pid}/cgroup").read_text() == Path("/proc/self/cgroup").read_text()
    assert cgroups_of(berth, "c") == []


def test_its_processes_are_those_of_its_namespace(berth: Cli) -> None:
    pid = run(berth, *FAMILY)
    eventually(lambda: len(pids_of(berth, "c")) == 3, what="the program's two children run")
    assert pid in pids_of(berth, "c")


def test_without_a_namespace_its_first_process_is_known(berth: Cli) -> None:
    pid = run(berth, *LOOP, pids=False)
    assert pids_of(berth, "c") == [pid]


def test_all_of_it_is_killed(berth: Cli) -> None:
    pid = run(berth, *FAMILY)
    berth.well("kill", "--all", "c", "KILL")
    berth.becomes("c", "stopped")
    assert not alive(pid)
    berth.well("kill", "--all", "c", "KILL")
    berth.well("delete", "c")


def test_what_needs_a_cgroup_is_refused_or_warned_of(berth: Cli) -> None:
    run(berth, *LOOP)
    refused = berth("pause", "c")
    assert refused.returncode == 1
    assert "cannot pause c" in refused.stderr
    assert "PIDs limit discarded" in berth("update", "--pids-limit", "5", "c").stderr
    assert json.loads(berth.well("events", "--stats", "c"))["data"]["pids"]["limit"] == 0
    done = berth("exec", "c", "sh", "-c", "exit 3")
    assert done.returncode == 3


def test_a_manager_that_nobody_knows_is_refused(berth: Cli) -> None:
    words = ("create", "--bundle", berth.bundle("c", *LOOP), "c")
    done = berth.detached("--cgroup-manager=magic", *words)
    assert "expected one of cgroupfs, systemd, disabled, got 'magic'" in done.stderr
    assert not (berth.root / "c").exists()
