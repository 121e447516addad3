"""What init does for few processes, where the suite's cgroups or this host's kernel lack a part."""

import os
from pathlib import Path
from typing import Any

import pytest

from engine.runtime import plan
from engine.runtime.init import extras
from tests.unit.runtime_init.conftest import root
from tests.unit.runtime_init.harness import run, shell

__all__ = ["root"]

NICE = str(os.getpriority(os.PRIO_PROCESS, 0))
"""This process's, which a container inherits."""


@pytest.mark.root
@pytest.mark.parametrize(
    ("scheduler", "said"),
    [
        ({"policy": "SCHED_FIFO", "priority": 3}, [NICE, "3", "1"]),
        ({"policy": "SCHED_RR", "priority": 99}, [NICE, "99", "2"]),
    ],
    ids=["fifo", "rr"],
)
def test_a_real_time_policy(root: Path, scheduler: dict[str, Any], said: list[str]) -> None:
    """In this process's cgroup; one of its own would have no real-time share on cgroup v1."""
    config = shell(root, "busybox cut -d' ' -f19,40,41 /proc/self/stat")
    config["process"]["scheduler"] = scheduler
    code, text = run(config)
    assert (code, text.split()) == (0, said)


@pytest.mark.parametrize(
    ("profile", "written"),
    [
        (plan.ProcessExtras(apparmor="web"), {"apparmor": "exec web", "other": ""}),
        (plan.ProcessExtras(selinux="a:b:c:s0"), {"apparmor": "", "other": "a:b:c:s0"}),
    ],
    ids=["AppArmor", "SELinux"],
)
def test_a_label_goes_where_its_module_reads_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    profile: plan.ProcessExtras,
    written: dict[str, str],
) -> None:
    """The words are those of the modules' libraries; no kernel here has one of the modules."""
    for name in written:
        (tmp_path / name).touch()
    monkeypatch.setattr(extras, "_LABELS", tuple(str(tmp_path / name) for name in written))
    extras.set_labels(profile)
    assert {name: (tmp_path / name).read_text() for name in written} == written


def test_apparmor_of_older_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other").touch()
    names = (str(tmp_path / "apparmor"), str(tmp_path / "other"))
    monkeypatch.setattr(extras, "_LABELS", names)
    extras.set_labels(plan.ProcessExtras(apparmor="web"))
    assert (tmp_path / "other").read_text() == "exec web"


def test_a_session_leaves_its_first_cpus() -> None:
    before = os.sched_getaffinity(0)
    try:
        asked = plan.ProcessExtras(cpus_before=(min(before),))
        extras.run_on_first(asked)
        assert os.sched_getaffinity(0) == {min(before)}
        extras.run_on(asked)
        assert os.sched_getaffinity(0) == before
    finally:
        os.sched_setaffinity(0, before)
