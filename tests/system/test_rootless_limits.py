"""Limits of a user's containers in a delegated cgroup v2, seen by what they do."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.system import user_systemd
from tests.system.unprivileged import IMAGE, Unprivileged, pid_of

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(bool(user_systemd.missing()), reason=user_systemd.missing()),
]

HOLD = "x=$(head -c 24000000 /dev/zero | tr '\\0' x); echo held ${#x}"
FORK = "i=0; while [ $i -lt 30 ]; do i=$((i+1)); sleep 1000 & done; echo forked"
SCOPE = ("systemd-run", "--user", "--scope", "--quiet", "-p", "Delegate=yes")


def start(user: Unprivileged) -> None:
    """`start` gives up before an engine in an emulated machine can answer."""
    user.run(*SCOPE, *user.engine, "start", check=False)
    eventually(lambda: user.docker("version", check=False).returncode == 0, seconds=30)


@pytest.fixture(scope="module")
def user(rootfs_tar: bytes) -> Iterator[Unprivileged]:
    """Whose engine was started in the way that the README and `berth doctor` name."""
    made = Unprivileged()
    try:
        with user_systemd.user_systemd(made):
            start(made)
            made.docker("import", "-", IMAGE, input=rootfs_tar)
            yield made
            made.berth("stop")
    finally:
        made.close()


@pytest.fixture
def box(user: Unprivileged) -> Iterator[Unprivileged]:
    """The user, without the container `box` afterwards."""
    yield user
    user.docker("rm", "-f", "box")


def group(user: Unprivileged) -> Path:
    """The cgroup of the container `box`."""
    place = Path(f"/proc/{pid_of(user, 'box')}/cgroup").read_text().strip().removeprefix("0::")
    return Path(f"/sys/fs/cgroup{place}")


def ended(user: Unprivileged) -> tuple[int, bool]:
    """The exit code of `box`, and whether memory ran out."""
    code = int(user.docker("wait", "box").stdout)
    state = json.loads(user.docker("inspect", "-f", "{{json .State}}", "box").stdout)
    return code, state["OOMKilled"]


def test_nothing_is_lacking(box: Unprivileged) -> None:
    info = json.loads(box.docker("info", "-f", "{{json .}}").stdout)
    assert (info["CgroupVersion"], info["MemoryLimit"], info["PidsLimit"]) == ("2", True, True)
    assert not [warning for warning in info["Warnings"] or [] if "cgroup" in warning]
    limits = ("-m", "64m", "--cpus", "1", "--pids-limit", "64")
    made = box.docker("create", "--name", "box", "--network", "none", *limits, IMAGE, "true")
    assert made.stderr == ""


def test_it_is_killed_at_its_memory_limit(box: Unprivileged) -> None:
    limit = ("-m", "12m", "--memory-swap", "12m")
    box.docker("run", "-d", "--name", "box", *limit, IMAGE, "sh", "-c", HOLD)
    assert ended(box) == (137, True)
    assert "held" not in box.docker("logs", "box").stdout


def test_it_is_not_killed_below_its_memory_limit(box: Unprivileged) -> None:
    box.docker("run", "-d", "--name", "box", "-m", "256m", IMAGE, "sh", "-c", HOLD)
    assert ended(box) == (0, False)
    assert box.docker("logs", "box").stdout == "held 24000000\n"


def test_it_forks_no_more_at_its_pids_limit(box: Unprivileged) -> None:
    command = ("--name", "box", IMAGE, "sh", "-c", FORK)
    done = box.docker("run", "--pids-limit", "16", *command, check=False)
    assert done.returncode == 2
    assert "can't fork: Resource temporarily unavailable" in done.stderr
    assert "forked" not in done.stdout


def test_it_forks_below_its_pids_limit(box: Unprivileged) -> None:
    command = ("--name", "box", IMAGE, "sh", "-c", FORK)
    assert box.docker("run", "--pids-limit", "64", *command).stdout == "forked\n"


def test_it_gets_no_more_than_its_share_of_a_processor(box: Unprivileged) -> None:
    busy = ("sh", "-c", "while :; do :; done")
    box.docker("run", "-d", "--name", "box", "--cpus", "0.2", IMAGE, *busy)
    stat = group(box) / "cpu.stat"

    def figures() -> dict[str, int]:
        rows = (line.split() for line in stat.read_text().splitlines())
        return {name: int(value) for name, value in rows}

    before, since = figures(), time.monotonic()
    eventually(lambda: figures()["nr_periods"] >= before["nr_periods"] + 20)
    used = figures()["usage_usec"] - before["usage_usec"]
    elapsed = time.monotonic() - since
    assert figures()["nr_throttled"] > before["nr_throttled"]
    assert 0 < used / 1e6 < 0.3 * elapsed


def test_its_limits_are_changed_while_it_runs(box: Unprivileged) -> None:
    script = f"while [ ! -e /go ]; do sleep 0.05; done; {HOLD}"
    box.docker("run", "-d", "--name", "box", "-m", "256m", IMAGE, "sh", "-c", script)
    box.docker("update", "-m", "12m", "--memory-swap", "12m", "--pids-limit", "16", "box")
    assert (group(box) / "pids.max").read_text() == "16\n"
    box.docker("exec", "box", "touch", "/go")
    assert ended(box) == (137, True)


def test_the_next_engine_limits_what_it_finds(box: Unprivileged) -> None:
    """It is started in another scope, and goes where its containers are."""
    box.docker("run", "-d", "--name", "box", "-m", "256m", IMAGE, "sleep", "1000")
    place = group(box)
    box.berth("stop")
    start(box)
    box.docker("update", "-m", "64m", "--memory-swap", "64m", "box")
    assert (place / "memory.max").read_text() == f"{64 << 20}\n"
    box.docker("rm", "-f", "box")
    box.docker("run", "-d", "--name", "box", "-m", "32m", IMAGE, "sleep", "1000")
    assert group(box).parent == place.parent
    assert (group(box) / "memory.max").read_text() == f"{32 << 20}\n"
