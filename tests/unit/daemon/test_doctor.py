"""The doctor: one line a check, a fix where something is missing, and the exit status."""

from pathlib import Path

import pytest

from engine.daemon import doctor
from engine.daemon.checks import cgroups, kernel, places
from engine.daemon.checks.check import Check
from engine.daemon.options import Options
from engine.runtime.cgroups.layout import Hierarchy, Layout


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(tmp_path / "data", tmp_path / "run", tmp_path / "run" / "berth.sock")


def found(name: str, checks: list[Check]) -> Check:
    return next(check for check in checks if check.name == name)


def test_every_check_is_one_line(options: Options, capsys: pytest.CaptureFixture[str]) -> None:
    doctor.doctor(options)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(list(doctor.examine(options)))
    assert all(line.startswith(("ok    ", "warn  ", "FAIL  ")) for line in lines)


def test_what_fails_has_a_fix_and_what_is_needed_fails_the_command(
    options: Options, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kernel, "NEEDED_KERNEL", (99, 0))
    assert doctor.doctor(options) == 1
    assert "boot Linux 5.9 or later" in capsys.readouterr().out


def test_a_machine_without_writable_cgroups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "detect", lambda: Layout("none", ()))
    (check,) = cgroups.checks()
    assert check.needed
    assert "mount -t cgroup2" in check.fix


def test_a_missing_controller_says_what_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Hierarchy(2, "/sys/fs/cgroup", ("cpu", "io"), "/sys/fs/cgroup", True)
    monkeypatch.setattr(cgroups, "detect", lambda: Layout("v2", (tree,)))
    checks = list(cgroups.checks())
    memory = found("cgroup memory", checks)
    assert not memory.passed
    assert not memory.needed
    assert "memory limits" in memory.found
    assert found("cgroup blkio", checks).passed
    assert found("cgroup cpuacct", checks).passed


def test_a_data_directory_that_cannot_be_made(tmp_path: Path, options: Options) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    broken = Options(blocked / "data", options.run_dir, options.socket)
    check = found("data directory", list(places.checks(broken)))
    assert check.needed
    assert not check.passed


def test_warnings_are_what_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "WANTED_FILES", 2**62)
    assert any(warning.startswith("ulimits: ") for warning in doctor.warnings())
