"""podman of a user without root, with berth-runtime in runc's place: with a cgroup, and without.

runc runs the same, but for `--cgroups=disabled`, which podman asks of crun and of who says so.
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

import pytest

from tests.conftest import eventually
from tests.system.daemons import busybox_rootfs
from tests.system.unprivileged import TRAP, Unprivileged

pytestmark = pytest.mark.root

BERTH = Path(sys.executable).with_name("berth-runtime")
CONFIGURATION = f"""
[engine]
runtime_supports_json = ["runc", "berth-runtime"]
runtime_supports_nocgroup = ["berth-runtime"]
[engine.runtimes]
berth-runtime = ["{BERTH}"]
"""
LIMITS = ("--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000")


class Podman:
    """The user's podman, with a root file system for every test."""

    def __init__(self, user: Unprivileged, runtime: str, *options: str) -> None:
        self.user = user
        self.rootfs = user.home / "rootfs"
        self._options = options
        configuration = user.folder / "containers.conf"
        configuration.write_text(CONFIGURATION)
        places = {"--root": user.home / "st", "--runroot": user.runtime / "rr"}
        self._command = [
            *("env", f"CONTAINERS_CONF={configuration}", "podman", f"--runtime={runtime}"),
            *(f"{flag}={path}" for flag, path in places.items()),
            *(f"--tmpdir={user.runtime}/t", "--cgroup-manager=cgroupfs"),
            *("--storage-driver=vfs", "--events-backend=file"),
        ]

    def __call__(self, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        return self.user.run(*self._command, *words, check=check)

    def run(
        self, options: tuple[str, ...], *program: str, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        always = ("--network", "none", *LIMITS, *self._options)
        return self("run", *always, *options, "--rootfs", str(self.rootfs), *program, check=check)


@pytest.fixture(scope="module")
def user() -> Iterator[Unprivileged]:
    if shutil.which("podman") is None or shutil.which("newuidmap") is None:
        pytest.fail("needs podman and newuidmap: run scripts/test-packages")
    made = Unprivileged()
    try:
        rootfs = made.home / "rootfs"
        with tarfile.open(fileobj=BytesIO(busybox_rootfs())) as tar:
            tar.extractall(rootfs, filter="fully_trusted")
        for path in (rootfs, *rootfs.rglob("*")):
            os.lchown(path, made.uid, made.uid)
        yield made
    finally:
        made.close()


WAYS = {
    "berth": ("berth-runtime",),
    "berth without a cgroup": ("berth-runtime", "--cgroups=disabled"),
    "runc": ("runc",),
}


_PARAMS = [pytest.param(way, marks=pytest.mark.slow if way == "runc" else ()) for way in WAYS]


@pytest.fixture(params=_PARAMS)
def podman(request: pytest.FixtureRequest, user: Unprivileged) -> Iterator[Podman]:
    made = Podman(user, *WAYS[request.param])
    yield made
    made("rm", "-f", "-a", "-t", "0")


def test_root_inside_is_the_user_outside(podman: Podman) -> None:
    script = "id -u; head -1 /proc/self/uid_map; exit 5"
    done = podman.run(("--rm",), "sh", "-c", script, check=False)
    assert done.returncode == 5, done.stderr
    assert done.stdout.split() == ["0", "0", str(podman.user.uid), "1"]


def test_another_user_is_one_of_the_sub_ids(podman: Podman) -> None:
    podman.run(("-d", "--name", "box", "-u", "1000"), "sh", "-c", TRAP)
    pid = json.loads(podman("inspect", "box").stdout)[0]["State"]["Pid"]
    assert Path(f"/proc/{pid}").stat().st_uid == podman.user.first + 999


def test_executed_in_logged_and_stopped(podman: Podman) -> None:
    podman.run(("-d", "--name", "box"), "sh", "-c", TRAP)
    eventually(lambda: podman("logs", "box").stdout == "up\n", what="its output is logged")
    done = podman("exec", "box", "sh", "-c", "cat /proc/1/comm; exit 9", check=False)
    assert (done.returncode, done.stdout) == (9, "sh\n")
    podman("stop", "-t", "10", "box")
    state = json.loads(podman("inspect", "box").stdout)[0]["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 7)


def test_a_terminal(podman: Podman) -> None:
    assert podman.run(("--rm", "-t"), "tty").stdout == "/dev/pts/0\r\n"


def test_a_program_that_is_not_there(podman: Podman) -> None:
    done = podman.run(("--rm",), "no-such-program", check=False)
    assert done.returncode == 127
    assert 'exec: "no-such-program"' in done.stderr


def test_without_a_cgroup_it_stays_in_its_callers(user: Unprivileged) -> None:
    podman = Podman(user, *WAYS["berth without a cgroup"])
    seen = podman.run(("--rm", "--cgroupns=host"), "cat", "/proc/self/cgroup").stdout
    assert seen == user.run("cat", "/proc/self/cgroup").stdout
