"""`docker run`, as its users type it."""

import hashlib
import os
import pty
import re
import select
import subprocess
import time

import pytest

from tests.system.conftest import IMAGE
from tests.system.daemons import Daemon

pytestmark = pytest.mark.root


def test_prints_what_the_program_prints_and_exits_as_it_exits(daemon: Daemon) -> None:
    done = daemon.docker(
        *("run", "--rm", "-m", "64m", "--cpus", "0.5", "--pids-limit", "50", IMAGE),
        *("sh", "-c", "echo out; echo err >&2; exit 7"),
        check=False,
    )
    assert (done.returncode, done.stdout) == (7, "out\n")
    assert done.stderr.endswith("err\n")


def test_environment_directory_user_and_hostname_are_as_asked(daemon: Daemon) -> None:
    done = daemon.docker(
        *("run", "--rm", "-e", "A=1", "-w", "/var", "-u", "web", "-h", "harbour", IMAGE),
        *("sh", "-c", "echo $A; pwd; id; hostname; echo $HOME"),
    )
    lines = done.stdout.splitlines()
    assert lines[:2] == ["1", "/var"]
    assert lines[2].startswith("uid=1234(web) gid=5678(webs)")
    assert lines[3:] == ["harbour", "/home"]


def test_a_signal_is_reported_as_128_plus_its_number(daemon: Daemon, name: str) -> None:
    daemon.docker("run", "-d", "--name", name, IMAGE, "sleep", "60")
    daemon.docker("kill", "-s", "KILL", name)
    assert daemon.docker("wait", name).stdout == "137\n"


def test_auto_remove_leaves_no_container(daemon: Daemon, name: str) -> None:
    daemon.docker("run", "--rm", "--name", name, IMAGE, "true")
    assert daemon.docker("ps", "-aq", "--filter", f"name={name}").stdout == ""


@pytest.mark.parametrize(
    ("program", "code", "words"),
    [
        ("nosuch", 127, "executable file not found in $PATH"),
        ("/nosuch", 127, "no such file or directory"),
        ("/etc/plain", 126, "permission denied"),
    ],
)
def test_a_program_that_cannot_run_is_named(
    daemon: Daemon, name: str, program: str, code: int, words: str
) -> None:
    done = daemon.docker("run", "--name", name, IMAGE, program, check=False)
    assert done.returncode == code
    assert words in done.stderr
    assert program in done.stderr
    assert daemon.state(name)["Status"] == "created"


def test_standard_input_reaches_the_program_whole(daemon: Daemon) -> None:
    data = os.urandom(3_000_000)
    done = daemon.docker("run", "--rm", "-i", IMAGE, "md5sum", input=data)
    assert done.stdout.split()[0] == hashlib.md5(data, usedforsecurity=False).hexdigest()


def test_a_large_output_arrives_whole(daemon: Daemon) -> None:
    done = daemon.docker("run", "--rm", IMAGE, "sh", "-c", "seq 1 300000")
    assert done.stdout.splitlines()[-1] == "300000"
    assert len(done.stdout.splitlines()) == 300000


def test_an_absent_image_is_named(daemon: Daemon) -> None:
    done = daemon.docker("run", "--pull", "never", "--rm", "nosuch:9", "true", check=False)
    assert done.returncode == 125
    assert "No such image: nosuch:9" in done.stderr


def test_detached_prints_the_id_and_runs_on(daemon: Daemon, name: str) -> None:
    printed = daemon.docker("run", "-d", "--name", name, IMAGE, "sleep", "60").stdout.strip()
    assert re.fullmatch("[0-9a-f]{64}", printed)
    listed = daemon.docker("ps", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.Status}}").stdout
    assert re.search(f"^{printed} {name} Up ", listed, re.MULTILINE)


def test_a_taken_name_is_refused_with_its_owner(daemon: Daemon, name: str) -> None:
    owner = daemon.docker("create", "--name", name, IMAGE, "true").stdout.strip()
    done = daemon.docker("run", "--name", name, IMAGE, "true", check=False)
    assert done.returncode == 125
    assert f'The container name "/{name}" is already in use by container "{owner}"' in done.stderr


class Terminal:
    """A pseudo-terminal with a docker command on it."""

    def __init__(self, daemon: Daemon, *args: str) -> None:
        self.master, slave = pty.openpty()
        subprocess.run(["stty", "rows", "33", "cols", "101"], stdin=slave, check=True)
        self.process = subprocess.Popen(
            ["docker", *args],
            env=daemon.env,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.screen = ""

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def expect(self, text: str, seconds: float = 15) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.screen:
            ready, _, _ = select.select([self.master], [], [], 0.1)
            if ready:
                self.screen += self.read()
            if time.monotonic() > deadline:
                pytest.fail(f"{text!r} not seen in {self.screen!r}")

    def read(self) -> str:
        try:
            return os.read(self.master, 65536).decode(errors="replace")
        except OSError:  # EIO: the last holder of the slave side is gone
            return ""

    def close(self) -> int:
        try:
            return self.process.wait(15)
        finally:
            self.process.kill()
            os.close(self.master)


def test_an_interactive_terminal_works(daemon: Daemon, name: str) -> None:
    terminal = Terminal(daemon, "run", "-it", "--rm", "--name", name, IMAGE, "sh")
    terminal.expect("# ")
    terminal.type("tty; stty size; echo pid $$\n")
    terminal.expect("/dev/pts/0")
    terminal.expect("33 101")
    terminal.expect("pid 1\r\n")
    terminal.type("sh -c \"echo beg''un; exec sleep 100\"\n")
    terminal.expect("begun\r\n")
    terminal.type("\x03")
    terminal.expect("^C")
    terminal.type("echo inter''rupted\n")
    terminal.expect("interrupted\r\n")
    terminal.type("exit 5\n")
    assert terminal.close() == 5


def test_exec_on_a_terminal_works(daemon: Daemon, name: str) -> None:
    daemon.docker("run", "-d", "--name", name, IMAGE, "sleep", "60")
    terminal = Terminal(daemon, "exec", "-it", "-e", "B=2", name, "sh")
    terminal.expect("# ")
    terminal.type("echo $B$B; stty size; tty\n")
    terminal.expect("22\r\n")
    terminal.expect("33 101")
    terminal.expect("/dev/pts/")
    terminal.type("exit 9\n")
    assert terminal.close() == 9


def test_detach_keys_leave_it_running_and_attach_comes_back(daemon: Daemon, name: str) -> None:
    first = Terminal(daemon, "run", "-it", "--name", name, IMAGE, "sh")
    first.expect("# ")
    first.type("X=kept\n")
    first.expect("# ")
    first.type("\x10\x11")  # ctrl-p ctrl-q
    assert first.close() in (0, 1)
    assert daemon.state(name)["Status"] == "running"
    second = Terminal(daemon, "attach", name)
    second.type("echo $X$X\n")
    second.expect("keptkept\r\n")
    second.type("exit 3\n")
    assert second.close() == 3
