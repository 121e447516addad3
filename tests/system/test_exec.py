"""`docker exec`."""

import os
import subprocess

import pytest

from tests.conftest import eventually
from tests.system.conftest import IMAGE
from tests.system.daemons import Daemon

pytestmark = pytest.mark.root


@pytest.fixture
def target(daemon: Daemon, name: str) -> str:
    daemon.docker(
        "run", "-d", "--name", name, "-e", "FROM=config", "-m", "64m", IMAGE, "sleep", "300"
    )
    return name


def test_streams_and_code(daemon: Daemon, target: str) -> None:
    done = daemon.docker("exec", target, "sh", "-c", "echo o; echo e >&2; exit 12", check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("o\n", "e\n", 12)


def test_it_is_inside(daemon: Daemon, target: str) -> None:
    script = (
        "cat /proc/1/cmdline | tr '\\0' ' '; hostname; grep CapEff /proc/self/status; echo $FROM"
    )
    inside = daemon.docker("exec", target, "busybox", "sh", "-c", script).stdout
    assert inside.startswith("sleep 300 ")
    assert os.uname().nodename not in inside.split()
    assert "00000000a80425fb" in inside
    assert inside.endswith("config\n")


def test_it_shares_the_limits(daemon: Daemon, target: str) -> None:
    script = "dd if=/dev/zero of=/dev/null bs=128M count=1"
    assert daemon.docker("exec", target, *script.split(), check=False).returncode == 137


def test_user_directory_and_environment(daemon: Daemon, target: str) -> None:
    done = daemon.docker(
        "exec", "-u", "web", "-w", "/var", "-e", "A=b", target, "sh", "-c", "id -u; pwd; echo $A"
    )
    assert done.stdout == "1234\n/var\nb\n"


def test_standard_input(daemon: Daemon, target: str) -> None:
    assert (
        daemon.docker("exec", "-i", target, "wc", "-c", input=b"x" * 500_000).stdout == "500000\n"
    )


@pytest.mark.parametrize(
    ("program", "code"), [("nosuch", 127), ("/nosuch", 127), ("/etc/plain", 126)]
)
def test_a_program_that_cannot_run(daemon: Daemon, target: str, program: str, code: int) -> None:
    done = daemon.docker("exec", target, program, check=False)
    assert done.returncode in ((code,) if daemon.kind == "berth" else (126, 127))  # 20.10: 126
    assert program in done.stderr + done.stdout


def test_detached(daemon: Daemon, target: str) -> None:
    daemon.docker("exec", "-d", target, "touch", "/made")
    eventually(
        lambda: daemon.docker("exec", target, "test", "-e", "/made", check=False).returncode == 0
    )


def test_into_a_stopped_one_is_refused(daemon: Daemon, target: str) -> None:
    daemon.docker("kill", target)
    daemon.wait_for(target, "exited")
    done = daemon.docker("exec", target, "true", check=False)
    assert done.returncode == 1
    assert "is not running" in done.stderr


def test_into_a_paused_one_is_refused(daemon: Daemon, target: str) -> None:
    daemon.docker("pause", target)
    done = daemon.docker("exec", target, "true", check=False)
    assert "is paused" in done.stderr
    daemon.docker("unpause", target)


def test_one_that_runs_when_its_container_is_killed_has_that_code(
    daemon: Daemon, target: str
) -> None:
    command = ["docker", "exec", target, "sh", "-c", "echo in; sleep 300"]
    with subprocess.Popen(command, env=daemon.env, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "in\n"
        daemon.docker("kill", target)
        assert running.wait(20) == 137
