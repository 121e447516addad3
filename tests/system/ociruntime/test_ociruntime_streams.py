"""Terminals, descriptors, sockets and keyrings that a container is given."""

import json
import os
import socket
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from engine.runtime import terminal as os_terminal
from tests.conftest import eventually
from tests.system.ociruntime.cli import (
    LOOP,
    Cli,
    ConsoleSocket,
)

pytestmark = pytest.mark.root


def test_the_terminal_goes_to_the_console_socket(cli: Cli, console: ConsoleSocket) -> None:
    def sized(config: Any) -> None:
        config["process"] |= {"terminal": True, "consoleSize": {"height": 30, "width": 90}}

    bundle = cli.bundle("c", "sh", "-c", "stty size; tty; read x; exit 4", change=sized)
    done = cli.detached("create", "--bundle", bundle, "--console-socket", console.path, "c")
    assert done.returncode == 0, done.stderr
    pid, master = cli.state("c")["pid"], console.master()
    try:
        cli.well("start", "c")
        assert read_until(master, "/dev/pts/0").split() == ["30", "90", "/dev/pts/0"]
        os.write(master, b"\n")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 4
    finally:
        os.close(master)


def read_until(master: int, text: str) -> str:
    seen = ""
    while text not in seen:
        seen += os.read(master, 4096).decode()
    return seen


def test_exec_with_a_terminal(cli: Cli, console: ConsoleSocket) -> None:
    cli.run("c", *LOOP)
    words = ("exec", "--detach", "--tty", "--console-socket", console.path, "c", "tty")
    done = cli.detached(*words)
    assert done.returncode == 0, done.stderr
    master = console.master()
    try:
        assert read_until(master, "\n").strip().startswith("/dev/pts/")
        os.waitpid(-1, 0)  # the namespace cannot end before its dead are collected
    finally:
        os.close(master)


def test_the_callers_terminal_is_handed_through(cli: Cli) -> None:
    """`run` in the foreground: size, keys and output; raw meanwhile, and as before afterwards."""
    program = ("sh", "-c", "stty size; read x; echo got $x; exit 5")
    bundle = cli.bundle("r", *program, change=lambda c: c["process"].update(terminal=True))
    master, slave = os.openpty()
    try:
        os_terminal.resize(master, 33, 99)
        before = termios.tcgetattr(slave)
        command = [cli.program, "--root", str(cli.root), "run", "--bundle", bundle, "r"]
        with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave) as running:
            if cli.name == "berth":  # runc sets it while the program runs already
                assert read_until(master, "33 99")
            eventually(lambda: termios.tcgetattr(slave) != before, what="raw mode")
            os.write(master, b"word\r")
            assert read_until(master, "got word")
            assert running.wait(30) == 5
        assert termios.tcgetattr(slave) == before
    finally:
        os.close(master)
        os.close(slave)


def test_a_terminal_needs_somebody_to_hold_it(cli: Cli) -> None:
    bundle = cli.bundle("c", "true", change=lambda config: config["process"].update(terminal=True))
    done = cli.detached("create", "--bundle", bundle, "c")
    assert done.returncode == 1 and "console socket" in done.stderr
    assert cli("state", "c").returncode == 1


def test_descriptors_are_preserved(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("of the caller\n")
    bundle = cli.bundle("r", "sh", "-c", "cat <&3; cd /proc/self/fd; echo [0-9]")
    done = run_by_shell(cli, tmp_path, 'exec "$@" 3<f', bundle)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["of the caller", "0 1 2 3 4", ""]  # 4: the directory read


def run_by_shell(
    cli: Cli, folder: Path, script: str, bundle: str
) -> "subprocess.CompletedProcess[str]":
    """`run` with what the script has opened in `folder`; one descriptor more is preserved."""
    words = ("run", "--preserve-fds", "1", "--bundle", bundle, "r")
    return subprocess.run(
        ["sh", "-c", script, "sh", cli.program, "--root", cli.root, *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_sockets_of_systemds_come_first(cli: Cli, tmp_path: Path) -> None:
    """LISTEN_FDS of this very process, then what is preserved (sd_listen_fds(3))."""
    for name in ("listening", "preserved"):
        (tmp_path / name).write_text(f"{name}\n")
    bundle = cli.bundle("r", "sh", "-c", "cat <&3; cat <&4; echo $LISTEN_FDS $LISTEN_PID")
    script = 'export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@" 3<listening 4<preserved'
    done = run_by_shell(cli, tmp_path, script, bundle)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "listening\npreserved\n1 1\n"


def test_a_descriptor_that_is_not_open_is_refused(cli: Cli) -> None:
    done = cli("run", "--preserve-fds", "7", "--bundle", cli.bundle("r", "true"), "r")
    assert done.returncode == 1 and "preserved-fd" in done.stderr


def test_readiness_is_passed_on(cli: Cli, tmp_path: Path) -> None:
    """The program tells /run/notify; the host hears of it, with the pid that counts."""

    def writable(config: Any) -> None:
        config["root"]["readonly"] = False

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as host:
        host.settimeout(20)
        host.bind(str(tmp_path / "host.sock"))
        environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "host.sock")}
        bundle = cli.bundle(
            "c", "sh", "-c", "test -S $NOTIFY_SOCKET && sleep 1000", change=writable
        )
        null = subprocess.DEVNULL
        command = [cli.program, "--root", str(cli.root), "run", "--detach", "--bundle", bundle, "c"]
        with subprocess.Popen(command, stdin=null, stdout=null, env=environment) as running:
            eventually(lambda: cli("state", "c").returncode == 0, what="the container is there")
            cli.becomes("c", "running")
            inside = eventually(lambda: notify_socket(cli), what="the container's socket")
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as program:
                program.sendto(b"READY=1\nSTATUS=well", inside)
            told = host.recv(4096)
            while b"MAINPID" not in told:
                told += host.recv(4096)
            assert b"READY=1" in told
            assert f"MAINPID={cli.state('c')['pid']}".encode() in told
            assert running.wait(30) == 0


def notify_socket(cli: Cli) -> str:
    found = list((cli.root / "c" / "notify").glob("*.sock"))
    return str(found[0]) if found else ""


def test_without_pivot_the_root_is_the_containers_all_the_same(cli: Cli) -> None:
    """Also for what joins later; and nothing of the host's can be mounted over or seen."""
    bundle = cli.bundle("c", *LOOP)
    done = cli.detached("run", "--detach", "--no-pivot", "--bundle", bundle, "c")
    assert done.returncode == 0, done.stderr
    script = "ls /; ls /proc/1/root; grep -c -- '- proc ' /proc/self/mountinfo"
    out = cli.well("exec", "c", "sh", "-c", script)
    names = " ".join(sorted(os.listdir(cli.rootfs)))
    proc = json.loads(Path(bundle, "config.json").read_text())["linux"]
    own = [each for each in proc["maskedPaths"] + proc["readonlyPaths"] if each[:6] == "/proc/"]
    assert " ".join(out.split()).startswith(f"{names} {names} ")
    assert int(out.split()[-1]) <= 1 + len(own)


_WITH_KEY = """
import ctypes, os, sys
call = ctypes.CDLL(None, use_errno=True).syscall
assert call(250, 1, None) > 0  # keyctl(KEYCTL_JOIN_SESSION_KEYRING)
key = call(248, b"user", b"of-the-caller", b"x", 1, -3)  # add_key to the session keyring
assert key > 0 and call(250, 5, key, 0x3F000000) == 0  # KEYCTL_SETPERM: for possessors only
os.execvp(sys.argv[1], sys.argv[1:])
"""


def test_the_session_keyring_is_the_callers_when_asked_for(cli: Cli) -> None:
    def unmasked(config: Any) -> None:
        config["linux"]["maskedPaths"] = []

    def sees_key(*options: str) -> bool:
        name = f"k{len(options)}"
        bundle = cli.bundle(name, "cat", "/proc/keys", change=unmasked)
        words = ("--root", str(cli.root), "run", *options, "--bundle", bundle, name)
        script = [sys.executable, "-c", _WITH_KEY, cli.program, *words]
        shown = subprocess.run(script, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        return b"of-the-caller" in shown.stdout

    assert sees_key("--no-new-keyring")
    assert not sees_key()
