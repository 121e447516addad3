"""A limit is proved by its effect, not by a file that says so."""

import json
import subprocess
from dataclasses import astuple, dataclass
from datetime import datetime

import pytest

from tests.conftest import eventually
from tests.system.conftest import IMAGE
from tests.system.daemons import Daemon

pytestmark = pytest.mark.root

HOG = "dd if=/dev/zero of=/dev/null bs=128M count=1"
BURNER = "while :; do :; done"


def test_memory_limit_kills_and_says_so(daemon: Daemon, name: str) -> None:
    done = daemon.docker(
        "run", "--name", name, "-m", "64m", "--memory-swap", "64m", IMAGE, *HOG.split(), check=False
    )
    assert done.returncode == 137
    state = daemon.state(name)
    assert state["OOMKilled"] is True
    assert state["ExitCode"] == 137


def test_memory_below_the_limit_lives(daemon: Daemon) -> None:
    daemon.docker(
        "run", "--rm", "-m", "64m", IMAGE, "dd", "if=/dev/zero", "of=/dev/null", "bs=32M", "count=1"
    )


def test_oom_of_a_child_is_seen_and_the_container_lives(daemon: Daemon, name: str) -> None:
    script = f"{HOG}; echo code $?; sleep 60"
    daemon.docker(
        "run", "-d", "--name", name, "-m", "64m", "--memory-swap", "64m", IMAGE, "sh", "-c", script
    )
    eventually(lambda: "code 137" in daemon.docker("logs", name).stdout, what="the child is killed")
    assert daemon.state(name)["Status"] == "running"


@dataclass(frozen=True)
class Usage:
    """What the container's own cgroup says of its CPU time (in seconds), and when."""

    moment: float
    used: float
    periods: int
    throttled: int

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(*(mine - its for mine, its in zip(astuple(self), astuple(other), strict=True)))


def test_half_a_cpu_is_half_a_cpu(berth: Daemon, name: str) -> None:
    """A period in which it was stopped is one of which it had all that it may have; in the others
    somebody else had the processors."""
    berth.docker("run", "-d", "--name", name, "--cpus", "0.5", IMAGE, "sh", "-c", BURNER)
    first = usage(berth, name)

    def enough() -> Usage | None:
        over = usage(berth, name) - first
        return over if over.throttled >= 25 or over.periods >= 100 else None

    over = eventually(enough, seconds=60, what="it has often used up what it may use")
    assert over.used < 0.55 * over.moment
    assert over.used > 0.45 * over.moment * over.throttled / over.periods


def usage(daemon: Daemon, name: str) -> Usage:
    answer = subprocess.run(
        [
            "curl",
            "-s",
            "--unix-socket",
            str(daemon.socket),
            f"http://d/containers/{name}/stats?stream=0&one-shot=1",
        ],
        capture_output=True,
        check=True,
        timeout=30,
    )
    stats = json.loads(answer.stdout)
    read = datetime.fromisoformat(stats["read"][:26].rstrip("Z") + "+00:00").timestamp()
    cpu = stats["cpu_stats"]
    waits = cpu["throttling_data"]
    used = cpu["cpu_usage"]["total_usage"] / 1e9
    return Usage(read, used, waits["periods"], waits["throttled_periods"])


def test_the_51st_process_is_refused(daemon: Daemon) -> None:
    script = "i=0; while [ $i -lt 60 ]; do sleep 20 & i=$((i+1)); done; echo started $i"
    done = daemon.docker(
        "run", "--rm", "--pids-limit", "50", IMAGE, "sh", "-c", script, check=False
    )
    assert "started 60" not in done.stdout
    assert "Resource temporarily unavailable" in done.stderr


def test_cpuset_pins(daemon: Daemon) -> None:
    assert daemon.docker("run", "--rm", "--cpuset-cpus", "1", IMAGE, "nproc").stdout == "1\n"


def test_ulimits_apply_and_high_ones_are_no_failure(daemon: Daemon) -> None:
    done = daemon.docker(
        "run", "--rm", "--ulimit", "nofile=77:88", IMAGE, "sh", "-c", "ulimit -n; ulimit -Hn"
    )
    assert done.stdout == "77\n88\n"


def test_a_hard_limit_above_the_hosts_is_clamped_with_a_warning(berth: Daemon) -> None:
    done = berth.docker("run", "--rm", "--ulimit", "nofile=1073741816:1073741816", IMAGE, "true")
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-m", "1m"], "Minimum memory limit allowed is 6MB"),
        (
            ["-m", "64m", "--memory-swap", "32m"],
            "memoryswap limit should be larger than memory limit",
        ),
        (["--cpus", "999"], "Range of CPUs is from 0.01 to"),
        (["--cpuset-cpus", "99"], "Requested CPUs are not available"),
        (["--cpuset-cpus", "x"], "Invalid value x for cpuset cpus"),
        (["--cap-add", "FLY"], "FLY"),
        (["-w", "relative"], "relative"),
        (["--stop-signal", "NOPE"], "NOPE"),
    ],
)
def test_a_bad_limit_is_refused_and_nothing_is_made(
    daemon: Daemon, name: str, options: list[str], words: str
) -> None:
    done = daemon.docker("run", "--name", name, *options, IMAGE, "true", check=False)
    assert done.returncode == 125
    assert words.lower() in done.stderr.lower()
    assert daemon.docker("ps", "-aq", "--filter", f"name={name}").stdout == ""
