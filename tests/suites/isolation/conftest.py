"""Containers with Docker's protections, and Python programs that attack from inside.

Every attack has a twin where the protection it meets is taken away and the attack succeeds,
wherever that can be shown without harm: so it is known that the test can fail.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.runtime.launcher import Launcher
from tests.suites.host import Host, make_rootfs

from .box import Box, give_python
from .image import Image


@pytest.fixture(scope="session")
def python_rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """busybox and a Python of its own; what that needs is bound from the host, read-only."""
    return give_python(make_rootfs(tmp_path_factory.mktemp("python-rootfs")))


@pytest.fixture
def box(host: Host, launcher: Launcher, python_rootfs: Path) -> Box:
    return Box(host, launcher, python_rootfs)


@pytest.fixture
def image(tmp_path: Path, python_rootfs: Path) -> Iterator[Image]:
    made = Image(tmp_path, python_rootfs)
    yield made
    shutil.rmtree(made.root)
