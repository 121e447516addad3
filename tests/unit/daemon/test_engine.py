"""The engine as a process: start, stop, status, a second one, a stale socket, its last hour."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from engine.daemon import client, lock
from engine.daemon.options import Options
from engine.runtime.cgroups import detect
from tests.conftest import eventually

pytestmark = pytest.mark.root


class Engine:
    """One engine's commands, in a scratch place of its own."""

    def __init__(self, folder: Path) -> None:
        self.options = Options(
            data_dir=folder / "data",
            run_dir=folder / "run",
            socket=folder / "run" / "berth.sock",
            cgroup_parent=f"berth-test-{os.getpid()}",
        )

    def run(self, command: str, *more: str) -> "subprocess.CompletedProcess[str]":
        words = [sys.executable, "-m", "engine", command, *self.options.arguments(), *more]
        return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    @property
    def pid(self) -> int | None:
        return lock.holder(self.options.lock_file)

    def get(self, url: str) -> dict[str, Any] | None:
        return client.get(self.options.socket, url)


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = Engine(tmp_path_factory.mktemp("e"))
    yield made
    made.run("stop")


def test_start_returns_when_the_engine_answers_and_only_starts_one(engine: Engine) -> None:
    first = engine.run("start")
    assert first.returncode == 0, first.stderr
    assert f"unix://{engine.options.socket}" in first.stdout
    pid = engine.pid
    second = engine.run("start")
    assert second.returncode == 0
    assert f"is running already (pid {pid})" in second.stdout
    assert engine.pid == pid


def test_what_the_engine_makes_is_nobody_elses(engine: Engine) -> None:
    engine.run("start")
    options = engine.options
    modes = {path: path.stat().st_mode & 0o777 for path in (options.data_dir, options.log_file)}
    assert modes == {options.data_dir: 0o700, options.log_file: 0o600}
    assert options.run_dir.stat().st_mode & 0o777 == 0o711
    assert options.socket.stat().st_mode & 0o777 == 0o660


def test_status_tells_what_runs_and_3_when_nothing_does(engine: Engine) -> None:
    nothing = engine.run("status")
    assert nothing.returncode == 3
    assert "engine is not running" in nothing.stdout
    engine.run("start")
    running = engine.run("status")
    assert running.returncode == 0
    assert f"pid {engine.pid}" in running.stdout
    assert "containers: 0 (0 running, 0 paused, 0 stopped)" in running.stdout


def test_stop_waits_for_the_end_and_cleans_up(engine: Engine) -> None:
    engine.run("start")
    stopped = engine.run("stop")
    assert stopped.returncode == 0
    assert "its containers keep running" in stopped.stdout
    assert engine.pid is None
    assert not engine.options.socket.exists()
    assert not engine.options.pid_file.exists()
    assert engine.run("stop").stdout == "no engine is running\n"


def test_stop_leaves_no_cgroup_without_containers(engine: Engine) -> None:
    engine.run("start")
    parent = engine.options.cgroup_parent
    bases = [Path(hierarchy.base) for hierarchy in detect().hierarchies if hierarchy.writable]
    for base in bases:
        (base / parent).mkdir(exist_ok=True)
    engine.run("stop")
    assert not any((base / parent).exists() for base in bases)


def test_a_second_engine_names_the_first_and_ends(engine: Engine) -> None:
    engine.run("start")
    second = engine.run("run", f"--socket={engine.options.run_dir / 'other.sock'}")
    assert second.returncode == 1
    assert f"in use by the engine with pid {engine.pid}" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert engine.get("/version") is not None


def test_an_engine_that_was_killed_leaves_nothing_in_the_way(engine: Engine) -> None:
    engine.run("start")
    killed = engine.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: engine.pid is None, what="the lock is free")
    assert engine.options.socket.exists()
    again = engine.run("start")
    assert again.returncode == 0, again.stderr
    assert engine.pid != killed


def test_the_engine_keeps_its_identity(engine: Engine) -> None:
    engine.run("start")
    before = engine.get("/info")
    engine.run("stop")
    engine.run("start")
    after = engine.get("/info")
    assert before is not None
    assert after is not None
    assert before["ID"] == after["ID"]


def test_a_start_that_fails_says_why(engine: Engine) -> None:
    engine.options.socket.parent.mkdir(parents=True)
    engine.options.socket.write_text("precious")
    failed = engine.run("start")
    assert failed.returncode == 1
    assert "is no socket" in failed.stderr
    assert engine.options.socket.read_text() == "precious"


def test_a_client_that_follows_does_not_hold_up_the_end(engine: Engine) -> None:
    engine.run("start")
    with follow(engine, "/events") as lines:
        assert lines.readline() == b"HTTP/1.1 200 OK\r\n"
        assert engine.run("stop").returncode == 0
        assert lines.read() is not None


def test_the_metrics_stream_has_a_sweep_a_second(engine: Engine) -> None:
    engine.run("start")
    with follow(engine, "/berth/v1/metrics/stream") as lines:
        sweeps = [json.loads(line) for line in islice(filter(is_document, lines), 2)]
    assert 0.5 < sweeps[1]["t"] - sweeps[0]["t"] < 3
    assert sweeps[0]["host"]["memory_limit"] > 0
    assert sweeps[0]["containers"] == {}


def is_document(line: bytes) -> bool:
    return line.startswith(b"{")


@contextmanager
def follow(engine: Engine, url: str) -> Iterator[BufferedReader]:
    """The lines of a reply that does not end."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(engine.options.socket))
        connection.sendall(f"GET {url} HTTP/1.1\r\nHost: berth\r\n\r\n".encode())
        with connection.makefile("rb") as lines:
            yield lines
