"""The documents a monitor leaves, and who it was."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine.runtime import bundle, state
from engine.runtime.state import Status, can_become


def test_the_state_is_an_oci_state(tmp_path: Path) -> None:
    written = state.State("c1", str(tmp_path), "berth/c1", os.getpid())
    written.write()
    document = json.loads((tmp_path / "state.json").read_text())
    assert {"ociVersion", "id", "status", "pid", "bundle"} <= document.keys()
    assert document["status"] == "creating"


def test_a_state_comes_back(tmp_path: Path) -> None:
    written = state.State('odd "name" \\ ü', str(tmp_path), "berth/c1", os.getpid())
    written.pid = 12
    written.status = Status.RUNNING
    written.write()
    read = state.read(str(tmp_path))
    assert read is not None
    assert read.to_json() == written.to_json()


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"id": "c1", "berth": {}}'])
def test_a_damaged_state_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    assert state.read(str(tmp_path)) is None


def test_no_state_is_none(tmp_path: Path) -> None:
    assert state.read(str(tmp_path)) is None


def test_this_process_is_alive_and_another_start_is_not(tmp_path: Path) -> None:
    mine = state.State("c1", str(tmp_path), "berth/c1", os.getpid())
    assert mine.monitor_alive()
    mine.monitor_start += 1
    assert not mine.monitor_alive()


def test_a_process_of_another_boot_is_not_alive(tmp_path: Path) -> None:
    mine = state.State("c1", str(tmp_path), "berth/c1", os.getpid())
    mine.boot = "0000"
    assert not mine.monitor_alive()


def test_a_zombie_has_no_start_time() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert state.start_time(child.pid) is None
    child.wait()


def test_statuses_only_go_forward() -> None:
    order = [Status.CREATING, Status.CREATED, Status.RUNNING, Status.STOPPED]
    for index, status in enumerate(order):
        assert not any(can_become(status, earlier) for earlier in order[: index + 1])
    assert can_become(Status.CREATED, Status.RUNNING)
    assert can_become(Status.CREATED, Status.STOPPED)


@pytest.mark.parametrize(
    "value",
    [{}, {"a": 1, "b": None, "c": True, "d": {"e": 'ü\n"\\'}}, {"n": -5, "big": 1 << 62}],
)
def test_encode_writes_json(value: dict[str, Any]) -> None:
    assert json.loads(state.encode(value)) == value


def test_an_exit_record_comes_back_and_leaves_no_temporary(tmp_path: Path) -> None:
    record = {"code": 137, "signal": 9, "oom_killed": True, "started_at": 1, "finished_at": 2}
    path = tmp_path / "exit.json"
    state.write_exit(str(path), record)
    assert state.read_exit(str(path)) == record
    assert [each.name for each in tmp_path.iterdir()] == ["exit.json"]


def test_a_failed_replacement_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "directory"
    target.mkdir()
    with pytest.raises(OSError, match="directory"):
        bundle.write_atomic(str(target), b"new", durable=False)
    assert [each.name for each in tmp_path.iterdir()] == ["directory"]
