"""Every behaviour is checked twice: over the fake launcher, and over the real one."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.containers.service import Containers
from engine.runtime.cgroups import Manager, detect
from tests.suites.containers.world import BUSYBOX, World

REAL = pytest.param("real", marks=pytest.mark.root)


@pytest.fixture(params=["fake", REAL])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """An open engine with the image `box`; afterwards nothing of it may be left."""
    async with opened(tmp_path, real=request.param == "real") as made:
        yield made


@asynccontextmanager
async def opened(directory: Path, *, real: bool) -> AsyncIterator[World]:
    if not BUSYBOX.exists():
        pytest.skip("needs busybox-static: run scripts/test-packages")
    parent = f"berth-test-containers-{os.getpid()}"
    made = World(directory, real=real, cgroup_parent=parent)
    await made.open()
    yield made
    await made.clear()
    await made.close()
    _check_clean(made)


@pytest.fixture
def containers(world: World) -> Containers:
    return world.containers


def _check_clean(world: World) -> None:
    run, data = world.directory / "run", world.directory / "data"
    bundles = list((run / "bundles").glob("*")) if (run / "bundles").exists() else []
    assert bundles == [], "bundles were left over"
    assert list((data / "containers").glob("*")) == [], "container directories were left over"
    group = Manager(detect(), world.cgroup_parent)
    left = [child for place in group.directories() for child in Path(place).glob("*/")]
    assert left == [], "cgroups were left over"
    if world.real:
        group.remove()
