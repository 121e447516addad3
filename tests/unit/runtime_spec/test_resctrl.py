"""Groups of caches, in a directory that stands for the file system of a processor with RDT."""

from pathlib import Path
from typing import Any

import pytest

from engine.errors import InvalidArgument, Unsupported
from engine.runtime import late, plan, resctrl

from .everything import config


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "schemata").write_text("L3:0=ff\nMB:0=100\n")
    monkeypatch.setattr(resctrl, "ROOT", str(tmp_path))
    return tmp_path


def group(root: Path, name: str, schemata: str = "") -> Path:
    """What the kernel puts into a new directory; rmdir(2) takes it along there."""
    path = root / name
    path.mkdir()
    (path / "schemata").write_text(schemata)
    (path / "tasks").touch()
    return path


def join(name: str, schemata: str, *, named: bool) -> None:
    resctrl.join(name, schemata, named=named, pid=42)


def test_a_named_group_that_is_right_is_joined(root: Path) -> None:
    path = group(root, "gold", "    L3:0=f0\n    MB:0=20\n")
    join("gold", "L3:0=f0\nMB:0=20", named=True)
    assert (path / "tasks").read_text() == "42\n"


def test_a_named_group_that_is_another_is_refused(root: Path) -> None:
    path = group(root, "gold", "L3:0=0f\n")
    with pytest.raises(FileExistsError, match="has other lines than 'L3:0=f0'"):
        join("gold", "L3:0=f0", named=True)
    assert (path / "tasks").read_text() == ""


def test_a_named_group_without_lines_must_be_there(root: Path) -> None:
    with pytest.raises(FileNotFoundError):
        join("gold", "", named=True)
    assert not (root / "gold").exists()
    path = group(root, "gold", "L3:0=f0\n")
    join("gold", "", named=True)
    assert (path / "tasks").read_text() == "42\n"


def test_a_group_that_cannot_be_filled_is_taken_back(root: Path) -> None:
    with pytest.raises(FileNotFoundError):  # a plain directory has none of the kernel's files
        join("c1", "L3:0=f0", named=False)
    assert not (root / "c1").exists()


def compiled(rdt: Any) -> plan.InitPlan:
    document = config()
    document["linux"]["intelRdt"] = rdt
    return plan.compile(document, (), warnings=[], container_id="c1")


@pytest.mark.parametrize(
    ("rdt", "wanted"),
    [
        ({}, ("c1", "", False)),
        ({"closID": "gold"}, ("gold", "", True)),
        (
            {"l3CacheSchema": "L3:0=f;1=f\nMB:0=9", "enableCMT": True},
            ("c1", "L3:0=f;1=f\nMB:0=9", False),
        ),
        (
            {"closID": "gold", "l3CacheSchema": "L3:0=f\nMB:0=9", "memBwSchema": "MB:0=20"},
            ("gold", "L3:0=f\nMB:0=20", True),
        ),
    ],
)
def test_what_the_plan_has(root: Path, rdt: dict[str, Any], wanted: tuple[Any, ...]) -> None:
    extras = compiled(rdt).extras
    assert extras
    assert extras.resctrl == wanted


@pytest.mark.parametrize(
    ("rdt", "said"),
    [
        ({"closID": "a/b"}, "linux.intelRdt.closID: must name one directory"),
        ({"closID": ".."}, "linux.intelRdt.closID: must name one directory"),
        ({"closID": "info"}, "linux.intelRdt.closID: must name one directory"),
        ({"memBwSchema": "L3:0=f"}, "linux.intelRdt.memBwSchema: must be one line"),
        ({"memBwSchema": "MB:0=1\nMB:1=1"}, "linux.intelRdt.memBwSchema: must be one line"),
        ({"l3CacheSchema": 7}, "linux.intelRdt.l3CacheSchema: must be a string"),
        ({"enableMBM": "yes"}, "linux.intelRdt.enableMBM: must be true or false"),
        ([], "linux.intelRdt: must be an object"),
    ],
)
def test_what_makes_no_sense_is_refused(root: Path, rdt: Any, said: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        compiled(rdt)
    assert str(caught.value).startswith(said)


def test_a_host_without_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resctrl, "ROOT", str(tmp_path))
    with pytest.raises(Unsupported, match="no resctrl file system is mounted at"):
        compiled({"closID": "gold"})


def test_only_the_containers_own_group_goes_with_it(root: Path) -> None:
    for name in ("c1", "gold"):
        (root / name).mkdir()
    named = late.part({"linux": {"intelRdt": {"closID": "gold"}}})
    late.poststop(named, "c1", "/bundle")
    assert (root / "gold").exists() and (root / "c1").exists()
    for _ in range(2):
        late.poststop(late.part({"linux": {"intelRdt": {}}}), "c1", "/bundle")
    assert not (root / "c1").exists()
