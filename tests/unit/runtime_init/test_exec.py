"""A second program in a running container."""

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.runtime import init, plan

from .harness import Running, compile, drive, make_config, shell, start, start_exec, status_fields


@pytest.fixture
def config(root: Path) -> dict[str, Any]:
    return make_config(root, "sleep", "600")


@pytest.fixture
def container(config: dict[str, Any]) -> Iterator[Running]:
    running = start(config)
    yield running
    running.kill()


def process(config: dict[str, Any], *args: str, **more: Any) -> dict[str, Any]:
    return {**config["process"], "args": list(args), **more}


def test_exec_is_in_all_the_namespaces(container: Running, config: dict[str, Any]) -> None:
    kinds = ("pid", "mnt", "net", "uts", "ipc", "cgroup")
    script = "; ".join(f"busybox readlink /proc/self/ns/{kind}" for kind in kinds)
    session = start_exec(container, config, process(config, "sh", "-c", script))
    wanted = [os.readlink(f"/proc/{container.pid}/ns/{kind}") for kind in kinds]
    assert session.finish()[1].split() == wanted


def test_exec_is_a_child_of_the_caller(container: Running, config: dict[str, Any]) -> None:
    session = start_exec(container, config, process(config, "sleep", "60"))
    fields = status_fields(Path(f"/proc/{session.pid}/status").read_text())
    assert fields["PPid"] == str(os.getpid())
    os.kill(session.pid, 15)
    assert session.finish()[0] == 143


def test_exec_is_confined_like_the_container(container: Running, config: dict[str, Any]) -> None:
    session = start_exec(container, config, process(config, "cat", "/proc/self/status"))
    fields = status_fields(session.finish()[1])
    assert fields["CapEff"] == "00000000a80425fb"
    assert fields["Seccomp"] == "2"
    assert fields["SigIgn"] == "0000000000000000"


def test_exec_as_another_user_elsewhere(container: Running, config: dict[str, Any]) -> None:
    wanted = process(
        config, "sh", "-c", "id -u; pwd; echo $HOME", cwd="/tmp", user={"uid": 1000, "gid": 1000}
    )
    assert start_exec(container, config, wanted).finish() == (0, "1000\n/tmp\n/srv\n")


def test_exec_leaks_no_descriptor(container: Running, config: dict[str, Any]) -> None:
    script = "ls /proc/$$/fd; true"
    session = start_exec(container, config, process(config, "sh", "-c", script))
    assert session.finish()[1].split() == ["0", "1", "2"]


def test_exec_has_a_terminal_of_the_container(container: Running, config: dict[str, Any]) -> None:
    wanted = process(config, "sh", "-c", "tty; busybox stty size", terminal=True)
    wanted["consoleSize"] = {"height": 20, "width": 70}
    assert start_exec(container, config, wanted).finish() == (0, "/dev/pts/0\r\n20 70\r\n")


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("nope", 'exec: "nope": executable file not found in $PATH'),
        ("/etc/passwd", 'exec: "/etc/passwd": permission denied'),
    ],
)
def test_exec_of_nothing_says_so(
    container: Running, config: dict[str, Any], program: str, text: str
) -> None:
    with pytest.raises(init.StepFailed) as caught:
        start_exec(container, config, process(config, program))
    assert str(caught.value) == text


def test_exec_into_a_missing_directory(container: Running, config: dict[str, Any]) -> None:
    with pytest.raises(init.StepFailed) as caught:
        start_exec(container, config, process(config, "true", cwd="/no/where"))
    assert str(caught.value) == (
        'working directory: chdir to cwd ("/no/where"): no such file or directory'
    )


def test_exec_in_a_dead_container_fails(root: Path) -> None:
    config = shell(root, "true")
    running = start(config)
    os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(init.StepFailed) as caught:
        start_exec(running, config, process(config, "true"))
    assert caught.value.step == "join"
    running.finish()


def test_exec_cannot_be_traced_by_the_container(root: Path) -> None:
    """Between the join and the exec, the container must not get at the runtime's memory."""
    config = make_config(root, "sleep", "600")
    running = start(config)
    compiled = plan.compile_exec(process(config, "true"))
    read, write = os.pipe2(os.O_CLOEXEC)
    child = init.spawn_exec(
        compiled, (read, write, write), target=running.child.pidfd, namespaces=0x2E020000
    )
    owner = os.stat(f"/proc/{child.pid}/exe", follow_symlinks=False).st_uid
    assert owner == 0
    mode = status_fields(Path(f"/proc/{child.pid}/status").read_text())
    assert mode["PPid"] == str(os.getpid())
    child.close()
    os.waitpid(child.pid, 0)
    for fd in (read, write, child.pidfd):
        os.close(fd)
    running.kill()


def test_refused_clone_leaks_no_descriptor(container: Running, config: dict[str, Any]) -> None:
    compiled = plan.compile_exec(process(config, "true"))
    with open("/dev/null", encoding="ascii") as null:
        fds = (null.fileno(),) * 3
        before = sorted(os.listdir("/proc/self/fd"))
        with pytest.raises(OSError, match="clone3"):
            init.spawn_exec(
                compiled, fds, target=container.child.pidfd, namespaces=0, cgroup_fd=fds[0]
            )
        assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_container_that_stops_what_joins_it_holds_nobody_up(
    container: Running, config: dict[str, Any]
) -> None:
    """Its root user may signal an exec session; the monitor has one thread to wait with."""

    def join(stdio: tuple[int, int, int]) -> init.Child:
        plan_ = plan.compile_exec(process(config, "true"))
        namespaces = compile(config).namespaces
        child = init.spawn_exec(plan_, stdio, target=container.child.pidfd, namespaces=namespaces)
        assert child.bound is not None
        child.bound = 0.2
        os.kill(child.pid, signal.SIGSTOP)
        return child

    with pytest.raises(init.StepFailed, match=r"was stopped.*and was killed") as caught:
        drive(join)
    assert caught.value.errno == errno.ETIMEDOUT
