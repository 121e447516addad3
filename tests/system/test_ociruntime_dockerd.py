"""dockerd with berth-runtime in runc's place: `dockerd --add-runtime`.

Each test says what runc does, too: the daemon has both, and most tests run under both.
"""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.system.daemons import Daemon, serving

pytestmark = [pytest.mark.root, pytest.mark.dockerd]

IMAGE = "bb:1"
# On a machine with cgroup v2 the container's own cgroup is the whole of its view.
PIDS_MAX = "/sys/fs/cgroup/pids/pids.max"
if not Path("/sys/fs/cgroup/pids").is_dir():
    PIDS_MAX = "/sys/fs/cgroup/pids.max"
BERTH = Path(sys.executable).with_name("berth-runtime")


@dataclass
class WithRuntime(Daemon):
    """A dockerd that knows berth-runtime."""

    def command(self) -> list[str]:
        return [*super().command(), f"--add-runtime=berth={BERTH}"]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    if shutil.which("dockerd") is None:
        pytest.fail("needs dockerd: run scripts/test-packages")
    with serving(WithRuntime("dockerd", tmp_path_factory.mktemp("d")), IMAGE) as daemon:
        yield daemon


@pytest.fixture(params=["runc", "berth"])
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Docker:
    """The docker CLI with one runtime."""

    def __init__(self, daemon: Daemon, runtime: str) -> None:
        self.daemon = daemon
        self.options = ("--runtime", runtime, "--network", "none")

    def run(self, *words: str, check: bool = True) -> tuple[int, str, str]:
        done = self.daemon.docker("run", *self.options, *words, check=check)
        return done.returncode, done.stdout, done.stderr

    def start(self, *words: str) -> str:
        return self.run("-d", *words)[1].strip()

    def __call__(self, *words: str, check: bool = True) -> tuple[int, str, str]:
        done = self.daemon.docker(*words, check=check)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def docker(both: Daemon, runtime: str) -> Iterator[Docker]:
    yield Docker(both, runtime)
    ids = both.docker("ps", "-aq").stdout.split()
    if ids:
        both.docker("rm", "-f", *ids)


def test_output_and_exit_code(docker: Docker) -> None:
    code, out, err = docker.run(
        "--rm", IMAGE, "sh", "-c", "echo out; echo err >&2; exit 5", check=False
    )
    assert (code, out, err) == (5, "out\n", "err\n")


def test_stdin(docker: Docker) -> None:
    done = docker.daemon.docker(
        "run", "-i", "--rm", *docker.options, IMAGE, "cat", input=b"in and out\n"
    )
    assert done.stdout == "in and out\n"


def test_a_terminal(docker: Docker) -> None:
    name = docker.start("-t", IMAGE, "sh", "-c", "tty; stty size; sleep 100")
    eventually(lambda: "/dev/pts/0" in docker("logs", name)[1], what="the terminal's name")
    docker("exec", "-t", name, "tty")


def test_limits_and_privileges_reach_the_kernel(docker: Docker) -> None:
    script = f"cat {PIDS_MAX}; grep -E 'CapEff|Seccomp:|NoNewPrivs' /proc/self/status"
    options = ("--pids-limit", "77", "--security-opt", "no-new-privileges", "--cap-drop", "ALL")
    out = docker.run("--rm", *options, IMAGE, "sh", "-c", script)[1].split()
    assert out == ["77", "CapEff:", "0000000000000000", "NoNewPrivs:", "1", "Seccomp:", "2"]


def test_exec_with_its_own_exit_code(docker: Docker) -> None:
    name = docker.start(IMAGE, "sleep", "1000")
    code, out, _ = docker("exec", "-u", "web", name, "sh", "-c", "id -u; exit 9", check=False)
    assert (code, out) == (9, "1234\n")
    assert docker("exec", name, "no-such-program", check=False)[0] in {126, 127}


def test_pause_update_top_and_stop(docker: Docker) -> None:
    name = docker.start(IMAGE, "sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done")
    docker("pause", name)
    assert docker.daemon.state(name)["Status"] == "paused"
    docker("unpause", name)
    docker("update", "--pids-limit", "50", name)
    assert docker("exec", name, "cat", PIDS_MAX)[1] == "50\n"
    assert "while" in docker("top", name)[1]
    docker("stop", "-t", "10", name)
    assert docker.daemon.state(name)["ExitCode"] == 7


def test_started_again_after_its_end(docker: Docker) -> None:
    name = docker.start(IMAGE, "sh", "-c", "echo once; exit 3")
    docker.daemon.wait_for(name, "exited")
    docker("start", name)
    eventually(lambda: docker("logs", name)[1] == "once\nonce\n", what="the second run's line")


@pytest.mark.parametrize(("program", "code"), [("no-such-program", 127), ("/etc/plain", 126)])
def test_a_program_that_cannot_be_run(docker: Docker, program: str, code: int) -> None:
    assert docker.run(IMAGE, program, check=False)[0] == code


def test_an_oom_kill_is_seen(docker: Docker) -> None:
    name = docker.start("-m", "16m", "--memory-swap", "16m", IMAGE, "tail", "/dev/zero")
    state = docker.daemon.wait_for(name, "exited", seconds=30)
    assert state["OOMKilled"] and state["ExitCode"] == 137


def test_volumes_and_a_read_only_root(docker: Docker, tmp_path: Path) -> None:
    script = "echo seen > /data/file; touch /x 2>&1; touch /tmp/x && echo tmp"
    options = ("--read-only", "--tmpfs", "/tmp", "-v", f"{tmp_path}:/data")
    out = docker.run("--rm", *options, IMAGE, "sh", "-c", script)[1]
    assert (tmp_path / "file").read_text() == "seen\n"
    assert "Read-only file system" in out and out.endswith("tmp\n")


def test_a_container_that_is_killed_leaves_no_process(docker: Docker) -> None:
    name = docker.start(IMAGE, "sleep", "1000")
    pid = docker.daemon.state(name)["Pid"]
    docker("kill", name)
    assert docker.daemon.wait_for(name, "exited")["ExitCode"] == 137
    assert not Path(f"/proc/{pid}").exists()
