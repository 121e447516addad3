"""Further processes in a container."""

import json
import os
from pathlib import Path

import pytest

from tests.system.ociruntime.cli import (
    LOOP,
    Cli,
)

pytestmark = pytest.mark.root


def test_exec_passes_streams_and_exit_code(cli: Cli) -> None:
    cli.run("c", *LOOP)
    done = cli("exec", "c", "sh", "-c", "cat; echo err >&2; exit 9", stdin=None, input="in\n")
    assert (done.returncode, done.stdout, done.stderr) == (9, "in\n", "err\n")


def test_exec_with_user_directory_and_environment(cli: Cli) -> None:
    cli.run("c", *LOOP)
    options = ("--user", "5:6", "--additional-gids", "7", "--cwd", "/etc", "--env", "X=y")
    out = cli.well("exec", *options, "c", "sh", "-c", "id -u; id -g; id -G; pwd; echo $X")
    assert out.split("\n") == ["5", "6", "6 7", "/etc", "y", ""]


def test_exec_of_a_process_document(cli: Cli, tmp_path: Path) -> None:
    cli.run("c", *LOOP)
    process = {"args": ["sh", "-c", "echo $A"], "cwd": "/", "env": ["PATH=/bin", "A=b"]}
    (tmp_path / "p.json").write_text(json.dumps(process | {"user": {"uid": 0, "gid": 0}}))
    assert cli.well("exec", "--process", str(tmp_path / "p.json"), "c") == "b\n"


def test_exec_has_the_privileges_of_the_container(cli: Cli) -> None:
    cli.run("c", *LOOP)
    script = "grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status"
    assert cli.well("exec", "c", "sh", "-c", script).split() == [
        *("CapEff:", "0000000020000420"),
        *("CapBnd:", "0000000020000420"),
        *("NoNewPrivs:", "1"),
    ]
    more = cli.well("exec", "--cap", "CAP_NET_ADMIN", "c", "sh", "-c", script)
    assert "CapEff:	0000000020001420" in more


def test_exec_detached(cli: Cli, tmp_path: Path) -> None:
    cli.run("c", *LOOP)
    pid_file = str(tmp_path / "pid")
    done = cli.detached("exec", "--detach", "--pid-file", pid_file, "c", "sh", "-c", "exit 8")
    assert done.returncode == 0, done.stderr
    pid = int(Path(pid_file).read_text())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 8


def test_exec_of_what_is_not_there(cli: Cli) -> None:
    cli.run("c", *LOOP)
    done = cli("exec", "c", "no-such-program")
    assert done.returncode == 255
    assert 'exec: "no-such-program": executable file not found in $PATH' in done.stderr.replace(
        "\\", ""
    )


def test_exec_in_a_stopped_container(cli: Cli) -> None:
    cli.run("c", "true")
    cli.becomes("c", "stopped")
    done = cli("exec", "c", "true")
    assert done.returncode == 255 and "cannot exec in a stopped container" in done.stderr
