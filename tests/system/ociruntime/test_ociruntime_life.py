"""create, start, run, delete: what is there afterwards, and what is refused."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import eventually
from tests.system.ociruntime.cli import (
    LOOP,
    Cli,
    alive,
    cgroups_of,
)

pytestmark = pytest.mark.root


def test_create_start_kill_delete(cli: Cli, tmp_path: Path) -> None:
    bundle, pid_file = cli.bundle("c", *LOOP), tmp_path / "pid"
    created = cli.detached("create", "--bundle", bundle, "--pid-file", str(pid_file), "c")
    assert created.returncode == 0, created.stderr
    state = cli.state("c")
    assert (state["id"], state["status"], state["bundle"]) == ("c", "created", bundle)
    assert state["pid"] == int(pid_file.read_text())
    cli.well("start", "c")
    assert cli.state("c")["status"] == "running"
    cli.well("kill", "c", "SIGKILL")
    assert os.waitpid(state["pid"], 0)[1] == signal.SIGKILL
    stopped = cli.state("c")
    assert (stopped["status"], stopped["pid"]) == ("stopped", 0)
    cli.well("delete", "c")
    assert not (cli.root / "c").exists() and not cgroups_of(cli, "c")


def test_the_caller_of_create_gets_the_exit_code(cli: Cli) -> None:
    assert cli.create("c", "sh", "-c", "exit 42").returncode == 0
    pid = cli.state("c")["pid"]
    cli.well("start", "c")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42


def test_run_passes_streams_and_exit_code(cli: Cli) -> None:
    bundle = cli.bundle("r", "sh", "-c", "cat; echo err >&2; exit 3")
    done = cli("run", "--bundle", bundle, "r", stdin=None, input="in\n")
    assert (done.returncode, done.stdout, done.stderr) == (3, "in\n", "err\n")
    assert not (cli.root / "r").exists() and not cgroups_of(cli, "r")


def test_run_keeps_the_container_when_asked_to(cli: Cli) -> None:
    bundle = cli.bundle("r", "true")
    cli.well("run", "--keep", "--bundle", bundle, "r")
    assert cli.state("r")["status"] == "stopped"


def test_run_passes_signals_on(cli: Cli) -> None:
    command = [cli.program, "--root", str(cli.root), "run", "--bundle", cli.bundle("r", *LOOP), "r"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None and running.stdout.readline() == b"up\n"
        running.terminate()
        assert running.wait(30) == 7


def test_the_container_of_a_killed_run_goes_on(cli: Cli) -> None:
    command = [cli.program, "--root", str(cli.root), "run", "--bundle", cli.bundle("r", *LOOP), "r"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None and running.stdout.readline() == b"up\n"
        cli.becomes("r", "running")  # runc says so only after the program has begun
        running.kill()
        running.wait(30)
    assert cli.state("r")["status"] == "running"


def test_a_second_start_is_refused(cli: Cli) -> None:
    cli.run("c", *LOOP)
    done = cli("start", "c")
    assert done.returncode == 1 and "already running container" in done.stderr


def test_a_stopped_container_is_not_started(cli: Cli) -> None:
    cli.run("c", "true")
    cli.becomes("c", "stopped")
    done = cli("start", "c")
    assert done.returncode == 1 and "cannot start a container that has stopped" in done.stderr


def test_a_name_that_is_taken_is_refused(cli: Cli) -> None:
    cli.run("c", *LOOP)
    bundle = cli.bundle("other", "true")
    done = cli.detached("create", "--bundle", bundle, "c")
    assert done.returncode == 1 and "container with given ID already exists" in done.stderr
    assert cli.state("c")["status"] == "running"


@pytest.mark.parametrize("name", ["..", "a/b", "a b", ""])
def test_a_name_that_is_none_is_refused(cli: Cli, name: str) -> None:
    done = cli.detached("create", "--bundle", cli.bundle("x", "true"), name)
    assert done.returncode == 1
    assert not cli.root.exists() or os.listdir(cli.root) == []


def test_a_running_container_is_not_deleted_but_by_force(cli: Cli) -> None:
    cli.run("c", *LOOP)
    done = cli("delete", "c")
    assert done.returncode == 1 and "not stopped: running" in done.stderr
    cli.well("delete", "--force", "c")
    cli.well("delete", "--force", "c")
    assert cli("state", "c").returncode == 1 and not cgroups_of(cli, "c")


def test_a_created_container_is_deleted(cli: Cli) -> None:
    cli.create("c", "true")
    cli.well("delete", "c")
    assert not (cli.root / "c").exists()


def test_processes_left_behind_end_with_the_container(cli: Cli) -> None:
    def host_pids(config: Any) -> None:
        spaces = config["linux"]["namespaces"]
        config["linux"]["namespaces"] = [each for each in spaces if each["type"] != "pid"]

    cli.run("c", "sh", "-c", "sleep 1000 & exit 0", change=host_pids)
    cli.becomes("c", "stopped")
    left = json.loads(cli.well("ps", "--format", "json", "c"))
    assert len(left) == 1
    cli.well("delete", "--force", "c")
    eventually(lambda: not alive(left[0]), what="the process left behind ends")


@pytest.mark.parametrize(
    "args", [("no-such-program",), ("/etc/plain",), ("/etc",)], ids=lambda args: str(args[0])
)
def test_a_create_that_fails_leaves_nothing(cli: Cli, args: tuple[str, ...]) -> None:
    before = mounts(cli)
    done = cli.create("c", *args)
    assert done.returncode == 1
    assert f'exec: "{args[0]}"' in done.stderr.replace("\\", "")
    assert os.listdir(cli.root) == [] and not cgroups_of(cli, "c")
    assert mounts(cli) == before


def mounts(cli: Cli) -> list[str]:
    """Those that have to do with this test's folders: other tests of the machine mount, too."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if str(cli.folder) in line or str(cli.rootfs) in line]


def test_no_configuration(cli: Cli, tmp_path: Path) -> None:
    done = cli("create", "--bundle", str(tmp_path), "c")
    assert done.returncode == 1 and "config.json" in done.stderr


def test_unknown_words_are_refused(cli: Cli) -> None:
    assert cli("state", "--nonsense", "x").returncode != 0
    assert cli("kill").returncode != 0


# What a small program and its loader need, and neither sockets nor messages.
_FEW_CALLS = (
    "access arch_prctl brk capget capset chdir clock_gettime clock_nanosleep clone close dup "
    "dup2 dup3 epoll_ctl epoll_pwait execve exit exit_group faccessat faccessat2 fchdir fcntl "
    "fstat fstatfs futex getcwd getdents64 getegid geteuid getgid getpid getppid getrandom "
    "gettid getuid ioctl lseek lstat mmap mprotect munmap nanosleep newfstatat open openat "
    "pipe2 poll prctl prlimit64 read readlink readlinkat rseq rt_sigaction rt_sigprocmask "
    "rt_sigreturn set_robust_list set_tid_address setgid setgroups setresgid setresuid setsid "
    "setuid sigaltstack stat statfs statx tgkill umask uname wait4 write "
)


@pytest.mark.parametrize("no_new_privileges", [False, True])
def test_a_policy_that_allows_little_is_enough(cli: Cli, no_new_privileges: bool) -> None:
    """Without no_new_privs it is loaded early: the rest of the start goes on under it."""

    def strict(config: Any) -> None:
        config["process"]["noNewPrivileges"] = no_new_privileges
        config["linux"]["seccomp"] = {
            "defaultAction": "SCMP_ACT_ERRNO",
            "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": _FEW_CALLS.split(), "action": "SCMP_ACT_ALLOW"}],
        }

    bundle = cli.bundle("c", "echo", "ran", change=strict)
    assert cli.well("run", "--bundle", bundle, "c") == "ran\n"
