"""Which cgroup driver is asked for, and whether it can work here."""

import argparse
from pathlib import Path

import pytest

from engine.daemon import driver
from engine.daemon.options import Options, add_arguments, from_arguments
from engine.errors import InvalidArgument, Unavailable
from engine.runtime.cgroups import systemd


def parse(*arguments: str) -> Options:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return from_arguments(parser.parse_args(arguments), {"HOME": "/h"})


@pytest.mark.parametrize(
    ("arguments", "chosen", "parent"),
    [
        ([], "cgroupfs", "berth"),
        (["--cgroup-driver=systemd"], "systemd", "system.slice"),
        (["--exec-opt", "native.cgroupdriver=systemd"], "systemd", "system.slice"),
        (["--exec-opt=native.cgroupdriver=cgroupfs"], "cgroupfs", "berth"),
        (["--cgroup-driver=systemd", "--cgroup-parent=a-b.slice"], "systemd", "a-b.slice"),
    ],
)
def test_what_is_asked_for(arguments: list[str], chosen: str, parent: str) -> None:
    options = parse(*arguments)
    assert (options.cgroup_driver, options.cgroup_parent) == (chosen, parent)
    assert parse(*options.arguments()) == options


@pytest.mark.parametrize(
    "arguments",
    [
        ["--exec-opt=native.cgroupdriver=other"],
        ["--exec-opt=other=systemd"],
        ["--cgroup-driver=cgroupfs", "--exec-opt=native.cgroupdriver=systemd"],
    ],
)
def test_what_cannot_be_asked_for(arguments: list[str]) -> None:
    with pytest.raises(InvalidArgument, match=r"cgroup-?driver"):
        parse(*arguments)


def test_without_systemd_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_BOOTED", str(tmp_path / "none"))
    with pytest.raises(Unavailable, match="needs systemd as process 1"):
        driver.check(parse("--cgroup-driver=systemd"))
    driver.check(parse())


def test_a_parent_that_is_no_slice_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "_BOOTED", str(tmp_path))
    with pytest.raises(InvalidArgument, match="--cgroup-parent: 'berth' is not the name"):
        driver.check(parse("--cgroup-driver=systemd", "--cgroup-parent=berth"))


def test_a_systemd_that_does_not_answer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "_BOOTED", str(tmp_path))
    monkeypatch.setattr(systemd, "_SYSTEM", (str(tmp_path / "none"),))
    with pytest.raises(Unavailable, match="systemd does not answer"):
        driver.check(parse("--cgroup-driver=systemd"))
