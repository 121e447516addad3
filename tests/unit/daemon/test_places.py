"""Options, the lock on the data directory, and the socket."""

import argparse
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from engine.daemon import listen, lock
from engine.daemon.options import Options, add_arguments, from_arguments
from engine.errors import AlreadyInUse

HOLD = """
import sys, pathlib
from engine.daemon import lock
with lock.hold(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def parse(*words: str, **environment: str) -> Options:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return from_arguments(parser.parse_args(words), environment)


def test_the_socket_lies_in_the_run_directory() -> None:
    options = parse("--data-dir=/d", "--run-dir=/r")
    assert options.socket == Path("/r/berth.sock")


def test_arguments_win_over_the_environment() -> None:
    options = parse("--data-dir=/d", BERTH_DATA_DIR="/e", BERTH_RUN_DIR="/f")
    assert (options.data_dir, options.run_dir) == (Path("/d"), Path("/f"))


def test_options_survive_being_arguments() -> None:
    options = parse("--data-dir=/d", "--run-dir=/r", "--cgroup-parent=x", "--log-level=debug")
    assert parse(*options.arguments()) == options


def test_a_lock_is_free_again_after_use(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    assert lock.holder(path) is None
    with lock.hold(path):
        assert lock.holder(path) == os.getpid()
    assert lock.holder(path) is None


def test_a_second_engine_is_told_the_pid_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        words = f"in use by the engine with pid {other.pid}"
        with pytest.raises(AlreadyInUse, match=words), lock.hold(path):
            pass
        assert lock.holder(path) == other.pid
        other.kill()
    with lock.hold(path):
        pass


def test_a_socket_is_for_its_owner_and_roots_group(tmp_path: Path) -> None:
    path = tmp_path / "run" / "berth.sock"
    with listen.listen(path):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o660 if os.geteuid() == 0 else 0o600)
        assert listen.answers(path)


def test_a_stale_socket_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "berth.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    assert not listen.answers(path)
    with listen.listen(path):
        assert listen.answers(path)


def test_a_socket_that_answers_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "berth.sock"
    with listen.listen(path):
        with pytest.raises(AlreadyInUse, match="an engine answers at"):
            listen.listen(path)
        assert listen.answers(path)


def test_a_file_in_the_sockets_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "berth.sock"
    path.write_text("precious")
    with pytest.raises(AlreadyInUse, match="is no socket"):
        listen.listen(path)
    assert path.read_text() == "precious"


def test_a_path_no_socket_can_have_is_said(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="longer than 107 bytes"):
        listen.listen(tmp_path / ("x" * 120))
