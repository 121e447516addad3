"""podman with berth-runtime in runc's place: `podman --runtime`, through conmon.

Both runtimes run each test, so that runc proves it.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import eventually
from tests.system.daemons import busybox_rootfs, remove_cgroups, unmount_below

pytestmark = pytest.mark.root

CGROUP_PARENT = f"berth-podman-{os.getpid()}"
RUNTIMES = {"berth": str(Path(sys.executable).with_name("berth-runtime")), "runc": "runc"}
# Root here may have no CAP_SYS_RESOURCE, and podman asks for more than the hard limits there are.
LIMITS = ("--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000")


class Podman:
    """The podman command with a storage of its own, and one root file system for every test."""

    def __init__(self, folder: Path, runtime: str) -> None:
        self.folder = folder
        self.rootfs = str(folder / "rootfs")
        places = {"--root": "storage", "--runroot": "run", "--tmpdir": "tmp"}
        self._command = [
            "podman",
            *(f"{flag}={folder / name}" for flag, name in places.items()),
            f"--runtime={runtime}",
            "--cgroup-manager=cgroupfs",
            "--storage-driver=vfs",
            "--events-backend=file",
        ]
        # podman has errors told as JSON only by runtimes whose names it knows, or is told.
        words = '[engine]\nruntime_supports_json = ["runc", "berth-runtime"]\n'
        (folder / "containers.conf").write_text(words)

    def __call__(
        self, *words: str, check: bool = True, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"CONTAINERS_CONF": str(self.folder / "containers.conf")}
        done = subprocess.run(
            [*self._command, *words],
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"podman {' '.join(words)}: {done.stderr}{done.stdout}")
        return done

    def run(
        self,
        options: tuple[str, ...],
        *program: str,
        common: tuple[str, ...] = (),
        check: bool = True,
        stdin: str = "",
    ) -> subprocess.CompletedProcess[str]:
        always = ("--network", "none", f"--cgroup-parent=/{CGROUP_PARENT}", *LIMITS)
        words = ("run", *always, *options, "--rootfs", self.rootfs, *program)
        return self(*common, *words, check=check, stdin=stdin)

    def inspect(self, name: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self("inspect", name).stdout)
        return found[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("podman")
    (made / "rootfs").mkdir()
    with tarfile.open(fileobj=BytesIO(busybox_rootfs())) as tar:
        tar.extractall(made / "rootfs", filter="fully_trusted")
    yield made
    unmount_below(made)
    shutil.rmtree(made)
    remove_cgroups(f"{CGROUP_PARENT}/conmon")
    remove_cgroups(CGROUP_PARENT)


@pytest.fixture(params=sorted(RUNTIMES))
def podman(request: pytest.FixtureRequest, folder: Path) -> Iterator[Podman]:
    if shutil.which("podman") is None:
        pytest.fail("needs podman: run scripts/test-packages")
    made = Podman(folder, RUNTIMES[request.param])
    yield made
    made("rm", "-f", "-a", "-t", "0")


def test_output_and_exit_code(podman: Podman) -> None:
    done = podman.run(("--rm",), "sh", "-c", "echo out; echo err >&2; exit 5", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (5, "out\n", "err\n")


def test_stdin(podman: Podman) -> None:
    assert podman.run(("--rm", "-i"), "cat", stdin="in and out\n").stdout == "in and out\n"


def test_a_terminal(podman: Podman) -> None:
    podman.run(("-d", "-t", "--name", "t"), "sh", "-c", "tty; sleep 100")
    eventually(lambda: "/dev/pts/0" in podman("logs", "t").stdout, what="the terminal's name")


def test_exec_pause_and_stop(podman: Podman) -> None:
    loop = "trap 'exit 7' TERM; while :; do sleep 0.05; done"
    podman.run(("-d", "--name", "c"), "sh", "-c", loop)
    done = podman("exec", "-u", "1:2", "c", "sh", "-c", "id -u; exit 9", check=False)
    assert (done.returncode, done.stdout) == (9, "1\n")
    podman("pause", "c")
    assert podman.inspect("c")["State"]["Status"] == "paused"
    podman("unpause", "c")
    assert "while" in podman("top", "c", "args").stdout
    podman("stop", "-t", "10", "c")
    assert podman.inspect("c")["State"]["ExitCode"] == 7


def test_started_again_after_its_end(podman: Podman) -> None:
    podman.run(("--name", "again"), "sh", "-c", "echo once; exit 3", check=False)
    podman("start", "again")
    podman("wait", "again")
    assert podman("logs", "again").stdout == "once\nonce\n"


def test_limits_reach_the_kernel(podman: Podman) -> None:
    script = "cat /sys/fs/cgroup/pids/pids.max; grep CapEff /proc/self/status"
    options = ("--rm", "--pids-limit", "77", "--cap-drop", "ALL")
    if not Path("/sys/fs/cgroup/pids").is_dir():  # a machine with cgroup v2
        script = script.replace("/pids/", "/")
    out = podman.run(options, "sh", "-c", script).stdout.split()
    assert out == ["77", "CapEff:", "0000000000000000"]


@pytest.mark.parametrize(("program", "code"), [("no-such-program", 127), ("/etc/plain", 126)])
def test_a_program_that_cannot_be_run(podman: Podman, program: str, code: int) -> None:
    done = podman.run(("--rm",), program, check=False)
    assert done.returncode == code
    assert f'exec: "{program}"' in done.stderr


def test_a_hook_of_the_host(podman: Podman, tmp_path: Path) -> None:
    """podman puts hooks into the configuration; they are told the state on stdin."""
    told = tmp_path / "told"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"cat > {told}"]}
    stages = ["createRuntime"]
    (tmp_path / "hook.json").write_text(
        json.dumps({"version": "1.0.0", "hook": hook, "when": {"always": True}, "stages": stages})
    )
    podman.run(("--name", "hooked"), "true", common=("--hooks-dir", str(tmp_path)))
    state = json.loads(told.read_text())
    assert state["pid"] > 0 and state["id"] == podman.inspect("hooked")["Id"]
