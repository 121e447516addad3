"""The program: who it is, where, with what, and how its absence is told."""

import errno
import os
import resource
import select
import signal
from pathlib import Path
from typing import Any

import pytest

from engine.runtime import init, plan

from .harness import DEADLINE, make_config, read_all, run, shell, start


def failure(config: dict[str, Any]) -> init.StepFailed:
    with pytest.raises(init.StepFailed) as caught:
        run(config)
    return caught.value


def test_exit_code_is_the_programs(root: Path) -> None:
    assert run(shell(root, "exit 42"))[0] == 42


def test_exit_code_of_a_killed_program_is_128_and_the_signal(root: Path) -> None:
    running = start(make_config(root, "sleep", "60"))
    os.kill(running.pid, 9)
    assert running.finish()[0] == 137


def test_user_groups_and_umask(root: Path) -> None:
    config = shell(root, "id -u; id -g; id -G; umask")
    config["process"]["user"] = {
        "uid": 1000,
        "gid": 1001,
        "additionalGids": [7, 9],
        "umask": 0o077,
    }
    assert run(config)[1].split() == ["1000", "1001", "1001", "7", "9", "0077"]


def test_user_can_reopen_its_own_streams(root: Path) -> None:
    config = shell(root, "echo hello > /dev/stdout")
    config["process"]["user"] = {"uid": 1000, "gid": 1000}
    assert run(config) == (0, "hello\n")


@pytest.mark.parametrize(("uid", "home"), [(0, "/root"), (1000, "/srv"), (4242, "/")])
def test_home_comes_from_passwd(root: Path, uid: int, home: str) -> None:
    config = shell(root, "echo $HOME")
    config["process"]["user"] = {"uid": uid, "gid": 0}
    assert run(config) == (0, home + "\n")


def test_home_given_is_kept(root: Path) -> None:
    config = shell(root, "echo $HOME")
    config["process"]["env"].append("HOME=/elsewhere")
    assert run(config) == (0, "/elsewhere\n")


def test_passwd_that_would_block_is_not_read(root: Path) -> None:
    (root / "etc/passwd").unlink()
    os.mkfifo(root / "etc/passwd")
    assert run(shell(root, "echo $HOME")) == (0, "/\n")


def test_environment_is_exactly_the_given_one(root: Path) -> None:
    config = make_config(root, "busybox", "env")
    config["process"]["env"] = ["PATH=/bin", "A=1=2", "ODD=\udcff"]
    lines = run_bytes(config).split(b"\n")
    assert sorted(lines) == [b"", b"A=1=2", b"HOME=/root", b"ODD=\xff", b"PATH=/bin"]


def run_bytes(config: dict[str, Any]) -> bytes:
    running = start(config)
    os.close(running.stdin)
    data = os.read(running.output, 65536)
    init_code = os.waitpid(running.pid, 0)[1]
    os.close(running.output)
    os.close(running.child.pidfd)
    assert init_code == 0
    return data


def test_working_directory_is_made_where_missing(root: Path) -> None:
    config = shell(root, "pwd")
    config["process"]["cwd"] = "/srv/app"
    assert run(config) == (0, "/srv/app\n")
    assert (root / "srv/app").is_dir()


def test_working_directory_of_the_user_only(root: Path) -> None:
    private = root / "private"
    private.mkdir(mode=0o700)
    os.chown(private, 1000, 1000)
    config = shell(root, "pwd")
    config["process"] |= {"cwd": "/private", "user": {"uid": 1000, "gid": 1000}}
    for name in ("bounding", "effective", "permitted"):
        config["process"]["capabilities"][name] = []
    assert run(config) == (0, "/private\n")


@pytest.mark.parametrize("fd", range(3, 9))
def test_working_directory_cannot_be_a_descriptor_of_the_host(root: Path, fd: int) -> None:
    for cwd in (f"/proc/self/fd/{fd}", f"/proc/self/fd/{fd}/../.."):
        config = shell(root, "ls /etc")
        config["process"]["cwd"] = cwd
        assert failure(config).step == "working directory"


def test_working_directory_link_to_a_descriptor_is_refused(root: Path) -> None:
    (root / "sneaky").symlink_to("/proc/self/fd/7")
    config = shell(root, "pwd")
    config["process"]["cwd"] = "/sneaky"
    assert failure(config).step == "working directory"


def test_rlimits_are_set(root: Path) -> None:
    config = shell(root, "ulimit -n; ulimit -Hn; ulimit -c")
    config["process"]["rlimits"] = [
        {"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
    ]
    assert run(config)[1].split() == ["77", "99", "0"]


def test_rlimit_above_the_hosts_is_clamped_with_a_warning(root: Path) -> None:
    config = shell(root, "ulimit -Hn")
    config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 2**40}]
    warnings: list[str] = []
    compiled = plan.compile(config, (), warnings=warnings)
    highest = compiled.process.rlimits[0][2]
    assert highest < 2**40
    assert len(warnings) == 1 and "nofile" in warnings[0] and str(highest) in warnings[0]
    assert run(config) == (0, f"{highest}\n")


def test_oom_score_is_set(root: Path) -> None:
    config = shell(root, "cat /proc/self/oom_score_adj")
    config["process"]["oomScoreAdj"] = 123
    assert run(config) == (0, "123\n")


def test_core_limit_of_this_process_is_untouched(root: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    run(shell(root, "true"))
    assert resource.getrlimit(resource.RLIMIT_CORE) == before


def test_program_is_looked_up_in_the_containers_path(root: Path) -> None:
    (root / "opt").mkdir()
    (root / "opt/here").write_text("#!/bin/sh\necho found $0\n")
    (root / "opt/here").chmod(0o755)
    config = make_config(root, "here")
    config["process"]["env"] = ["PATH=/nowhere:/opt:/bin"]
    assert run(config) == (0, "found /opt/here\n")


@pytest.mark.parametrize("name", ["foo", "passwd"])
def test_missing_program_in_path(root: Path, name: str) -> None:
    config = make_config(root, name)
    config["process"]["env"] = ["PATH=/bin:/etc"]
    error = failure(config)
    assert str(error) == f'exec: "{name}": executable file not found in $PATH'
    assert error.errno == errno.ENOENT


def test_missing_program_by_path(root: Path) -> None:
    error = failure(make_config(root, "/no/such"))
    assert str(error) == 'exec: "/no/such": no such file or directory'
    assert error.errno == errno.ENOENT


def test_program_without_the_execute_bit(root: Path) -> None:
    error = failure(make_config(root, "/etc/passwd"))
    assert str(error) == 'exec: "/etc/passwd": permission denied'
    assert error.errno == errno.EACCES


def test_directory_as_program(root: Path) -> None:
    error = failure(make_config(root, "/etc"))
    assert str(error) == 'exec: "/etc": is a directory'
    assert error.errno == errno.EISDIR


def test_program_of_no_known_format(root: Path) -> None:
    (root / "junk").write_bytes(b"\x01\x02\x03")
    (root / "junk").chmod(0o755)
    error = failure(make_config(root, "/junk"))
    assert (str(error), error.errno) == ("exec /junk: exec format error", errno.ENOEXEC)


def test_script_whose_interpreter_is_missing(root: Path) -> None:
    (root / "script").write_text("#!/bin/none\n")
    (root / "script").chmod(0o755)
    error = failure(make_config(root, "/script"))
    assert (str(error), error.step) == ("exec /script: no such file or directory", "exec")


@pytest.mark.parametrize("content", [None, "#!/proc/self/exe\n", "#!/link -x\n"])
def test_binary_of_the_runtime_is_not_executed(root: Path, content: str | None) -> None:
    (root / "link").symlink_to("/proc/self/exe")
    if content is not None:
        (root / "attack").write_text(content)
        (root / "attack").chmod(0o755)
    error = failure(make_config(root, "/attack" if content else "/link"))
    assert error.errno == errno.EACCES


def test_terminal_is_the_containers_own_and_controls_the_session(root: Path) -> None:
    config = shell(root, "tty; ls -l /dev/console; busybox stty size; echo x > /dev/tty; ps -o tty")
    config["process"] |= {"terminal": True, "consoleSize": {"height": 33, "width": 101}}
    code, text = start(config).finish()
    assert text.startswith("/dev/pts/0\r\n")
    assert "33 101" in text
    assert "/dev/console" in text
    assert "x\r\n" in text
    assert code in (0, 1, 127)


def test_terminal_belongs_to_the_user(root: Path) -> None:
    config = shell(root, "busybox stat -c %u /dev/pts/0; echo ok > /dev/pts/0")
    config["process"] |= {"terminal": True, "user": {"uid": 1000, "gid": 1000}}
    assert start(config).finish() == (0, "1000\r\nok\r\n")


def test_terminal_without_devpts_is_refused(root: Path) -> None:
    config = shell(root, "tty")
    config["process"]["terminal"] = True
    config["mounts"] = [each for each in config["mounts"] if each["type"] != "devpts"]
    assert failure(config).step == "terminal"


@pytest.mark.parametrize("uid", [0, 1000])
def test_a_container_does_not_outlive_its_monitor(root: Path, uid: int) -> None:
    """Nobody would be left to report its end."""
    config = make_config(root, "sleep", "600")
    config["process"]["user"] = {"uid": uid, "gid": uid}
    read, write = os.pipe2(os.O_CLOEXEC)
    monitor = os.fork()
    if monitor == 0:
        try:
            os.write(write, str(start(config).pid).encode())
            signal.pause()
        finally:
            os._exit(0)
    pidfd = os.pidfd_open(int(os.read(read, 32)))
    os.kill(monitor, signal.SIGKILL)
    os.waitpid(monitor, 0)
    assert select.select([pidfd], [], [], DEADLINE)[0]
    for fd in (read, write, pidfd):
        os.close(fd)


def test_failure_is_told_even_when_the_process_read_nothing(root: Path) -> None:
    """The kernel reports unread messages of a dead peer before what that peer had sent."""
    from .harness import compile as compile_plan

    config = shell(root, "true")
    config["root"]["path"] = "/not/there"
    child = init.spawn(compile_plan(config), (0, 1, 2))
    child.attached()
    assert select.select([child.pidfd], [], [], DEADLINE)[0]
    with pytest.raises(init.StepFailed, match="/not/there"):
        child.wait_ready()
    child.attached()
    with pytest.raises(init.StepFailed, match="died"):
        child.wait_ready()
    child.close()
    os.waitpid(child.pid, 0)
    os.close(child.pidfd)


def test_a_monitor_that_dies_takes_an_unstarted_container_along(root: Path) -> None:
    from .harness import compile as compile_plan

    read, write = os.pipe2(os.O_CLOEXEC)
    child = init.spawn(compile_plan(shell(root, "echo ran")), (read, write, write))
    os.close(write)
    child.attached()
    child.wait_ready()
    child.close()
    assert read_all(read) == ""
    os.waitpid(child.pid, 0)
    os.close(read)
    os.close(child.pidfd)
