"""What every test may use: waiting for a condition, and skips that say what is missing."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")
SLOWDOWN = float(os.environ.get("BERTH_TEST_SLOWDOWN") or 1)
"""How many times slower than usual this machine is: an emulated one says so (tests/cgroup2)."""


def eventually(probe: Callable[[], T], *, seconds: float = 20.0, what: str = "") -> T:
    """Return the first truthy answer of `probe`; fail with its last answer at the deadline."""
    seconds *= SLOWDOWN
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what or probe}; last answer: {answer!r}")
        time.sleep(0.02)


def pytest_configure() -> None:
    """Programs of tests inherit what this process ignores: after nohup, the signal a test sends."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run, naming what is missing."""
    for item in items:
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root: run `sudo make test`"))
        if item.get_closest_marker("dockerd") and shutil.which("dockerd") is None:
            item.add_marker(pytest.mark.skip(reason="needs dockerd: run scripts/test-packages"))
