"""Handing controllers down a real cgroup v2 tree, by one that a hybrid machine leaves there."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.runtime.cgroups import Hierarchy, detect, files, tree

pytestmark = pytest.mark.root


@pytest.fixture
def delegated(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hierarchy]:
    """A subtree that has one controller, which its children do not have yet."""
    root = detect().unified
    if root is None or not root.controllers:
        pytest.skip("needs a cgroup v2 hierarchy with some controller")
    controller = root.controllers[-1]
    monkeypatch.setattr(tree, "V2_CONTROLLERS", (controller,))
    control = f"{root.base}/cgroup.subtree_control"
    before = files.read(control).split()
    directory = f"{root.base}/berth-test-{os.getpid()}-tree"
    os.mkdir(directory)
    files.write(control, f"+{controller}")
    yield root._replace(base=directory, controllers=(controller,))
    tree.remove(directory, bound=5)
    if controller not in before:
        files.write(control, f"-{controller}")


def make(hierarchy: Hierarchy, path: str) -> list[str]:
    made: list[str] = []
    tree.make(hierarchy, path, made)
    return made


def controllers(directory: str) -> list[str]:
    return files.read(f"{directory}/cgroup.controllers").split()


def test_ancestors_hand_the_controllers_down(delegated: Hierarchy) -> None:
    made = make(delegated, "parent/one")
    assert [os.path.basename(directory) for directory in made] == ["parent", "one"]
    assert controllers(made[-1]) == list(delegated.controllers)


def test_a_parent_with_processes_keeps_its_controllers(delegated: Hierarchy) -> None:
    make(delegated, "parent")
    pid = os.fork()
    if pid == 0:
        signal.pause()
    try:
        files.write(f"{delegated.base}/parent/cgroup.procs", str(pid))
        made = make(delegated, "parent/one")
        assert controllers(made[-1]) == []
    finally:
        tree.kill_v2(f"{delegated.base}/parent", bound=5)
        os.waitpid(pid, 0)


def test_the_leaf_keeps_its_controllers_to_itself(delegated: Hierarchy) -> None:
    leaf = make(delegated, "parent/one")[-1]
    assert files.read(f"{leaf}/cgroup.subtree_control").split() == []


def test_a_tree_deeper_than_the_recursion_limit_is_removed(tmp_path: Path) -> None:
    """A container that may write its cgroups must not outlive its removal by nesting them."""
    depth = sys.getrecursionlimit() + 200
    leaf = tmp_path / "top"
    leaf.mkdir()
    here = os.getcwd()
    os.chdir(leaf)
    for _ in range(depth):
        os.mkdir("d")
        os.chdir("d")
    os.chdir(here)
    try:
        assert tree.pids(str(leaf)) == []
        tree.remove(str(leaf), bound=0)
        assert not leaf.exists()
    finally:
        subprocess.run(["rm", "-rf", leaf], check=True)  # too deep for pytest, too
