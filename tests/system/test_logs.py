"""`docker logs` and `docker attach`."""

import subprocess
import time

import pytest

from tests.conftest import eventually
from tests.system.conftest import IMAGE
from tests.system.daemons import Daemon

pytestmark = pytest.mark.root


def test_both_streams_come_back_apart(daemon: Daemon, name: str) -> None:
    daemon.docker("run", "--name", name, IMAGE, "sh", "-c", "echo one; echo two >&2; echo three")
    done = daemon.docker("logs", name)
    assert (done.stdout, done.stderr) == ("one\nthree\n", "two\n")


def test_tail_and_timestamps(daemon: Daemon, name: str) -> None:
    daemon.docker("run", "--name", name, IMAGE, "seq", "1", "1000")
    assert daemon.docker("logs", "--tail", "3", name).stdout == "998\n999\n1000\n"
    assert daemon.docker("logs", "--tail", "0", name).stdout == ""
    stamp, line = daemon.docker("logs", "-t", "--tail", "1", name).stdout.split()
    assert line == "1000"
    assert stamp.startswith("20")
    assert stamp.endswith("Z")


def test_since_and_until(daemon: Daemon, name: str) -> None:
    daemon.docker(
        "run", "-d", "--name", name, IMAGE, "sh", "-c", "echo a; sleep 1.2; echo b; sleep 60"
    )
    eventually(lambda: daemon.docker("logs", name).stdout == "a\nb\n")
    stamps = [line.split()[0] for line in daemon.docker("logs", "-t", name).stdout.splitlines()]
    assert daemon.docker("logs", "--since", stamps[1], name).stdout == "b\n"
    assert daemon.docker("logs", "--until", stamps[0], name).stdout == "a\n"


def test_follow_ends_with_the_container(daemon: Daemon, name: str) -> None:
    daemon.docker(
        "run",
        "-d",
        "--name",
        name,
        IMAGE,
        "sh",
        "-c",
        "for i in 1 2 3; do echo $i; sleep 0.2; done",
    )
    started = time.monotonic()
    assert daemon.docker("logs", "-f", name).stdout == "1\n2\n3\n"
    assert time.monotonic() - started < 10


def test_follow_shows_lines_as_they_come(daemon: Daemon, name: str) -> None:
    daemon.docker(
        "run", "-d", "--name", name, IMAGE, "sh", "-c", "while :; do echo tick; sleep 0.1; done"
    )
    follower = subprocess.Popen(
        ["docker", "logs", "-f", "--tail", "1", name], env=daemon.env, stdout=subprocess.PIPE
    )
    try:
        assert follower.stdout is not None
        assert [follower.stdout.readline() for _ in range(5)] == [b"tick\n"] * 5
    finally:
        follower.kill()
        follower.wait(10)
        follower.stdout and follower.stdout.close()


def test_a_long_line_and_an_unfinished_one_come_back_whole(daemon: Daemon, name: str) -> None:
    script = "head -c 100000 /dev/zero | tr '\\0' x; echo; printf tail"
    daemon.docker("run", "--name", name, IMAGE, "busybox", "sh", "-c", script)
    assert daemon.docker("logs", name).stdout == "x" * 100000 + "\ntail"


def test_terminal_output_is_logged_raw(daemon: Daemon, name: str) -> None:
    daemon.docker("run", "-t", "--name", name, IMAGE, "sh", "-c", "echo a; echo b >&2")
    assert daemon.docker("logs", name).stdout == "a\r\nb\r\n"


def test_attach_speaks_and_hears(daemon: Daemon, name: str) -> None:
    script = "read x; echo got $x; read y; exit 8"
    daemon.docker("run", "-d", "-i", "--name", name, IMAGE, "sh", "-c", script)
    client = subprocess.Popen(
        ["docker", "attach", name],
        env=daemon.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write("word\n")
    client.stdin.flush()
    assert client.stdout.readline() == "got word\n"
    client.communicate("end\n", timeout=20)
    assert client.returncode == 8


def test_every_attached_client_sees_everything(berth: Daemon, name: str) -> None:
    berth.docker("run", "-d", "-i", "--name", name, IMAGE, "sh", "-c", "read x; seq 1 2000")
    watching = [
        subprocess.Popen(
            ["docker", "attach", "--no-stdin", name],
            env=berth.env,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    eventually(lambda: attached(berth, name) == 2, what="both are attached")
    first = berth.docker("attach", name, input=b"go\n").stdout
    assert first.splitlines() == [str(number) for number in range(1, 2001)]
    assert [client.communicate(timeout=20)[0] for client in watching] == [first, first]


def test_following_one_that_does_not_run_ends_at_once(daemon: Daemon, name: str) -> None:
    daemon.docker("create", "--name", name, IMAGE, "echo", "said")
    assert daemon.docker("logs", "-f", name, timeout=10).stdout == ""
    daemon.docker("start", "-a", name)
    assert daemon.docker("logs", "-f", name, timeout=10).stdout == "said\n"


def attached(daemon: Daemon, name: str) -> int:
    """How many attach events the engine has told of for this container."""
    told = daemon.docker(
        *("events", "--since", "0", "--until", str(int(time.time()) + 1)),
        *("--filter", "event=attach", "--filter", f"container={name}"),
    )
    return len(told.stdout.splitlines())
