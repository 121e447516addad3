"""Cgroups with processes in them, and a sampler that reads them."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from engine.metrics import Sampler
from engine.runtime.cgroups import Layout, Manager, detect

PARENT = f"berth-test-{os.getpid()}"
Make = Callable[..., Manager]
Start = Callable[[Manager, str], "subprocess.Popen[str]"]


@pytest.fixture(scope="session")
def layout() -> Layout:
    return detect()


@pytest.fixture
def make(layout: Layout) -> Iterator[Make]:
    """Make a cgroup by name; all of them go afterwards."""
    made: list[Manager] = []

    def one(name: str) -> Manager:
        group = Manager(layout, f"{PARENT}/{name}")
        group.create()
        made.append(group)
        return group

    yield one
    for group in made:
        group.kill()
        group.remove()
    Manager(layout, PARENT).remove()


@pytest.fixture
def start(make: Make) -> Iterator[Start]:
    """Run Python code inside a cgroup; it begins once it is in."""
    started: list[subprocess.Popen[str]] = []

    def run(group: Manager, code: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-IS", "-c", f"import sys\nsys.stdin.readline()\n{code}"]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(child)
        group.attach(child.pid)
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
        return child

    yield run
    for child in started:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        child.communicate()


@pytest.fixture
def sampler(layout: Layout) -> Iterator[Sampler]:
    sampler = Sampler(layout=layout, interval=0.02)
    yield sampler
    sampler.close()
