"""One engine of each kind for the whole folder, and the real app driven on it by keys."""

import os
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.system.daemons import Daemon, serving
from tests.tui.drive import IMAGE, Driver, driving


@pytest.fixture(autouse=True)
def fixed_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times are shown in local time: make that one the same everywhere."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="session")
def _dockerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with serving(Daemon("dockerd", tmp_path_factory.mktemp("dockerd")), IMAGE) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def _berth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with serving(Daemon("berth", tmp_path_factory.mktemp("berth")), IMAGE) as daemon:
        yield daemon


@pytest.fixture(params=[pytest.param("dockerd", marks=pytest.mark.dockerd), "berth"])
def live(request: pytest.FixtureRequest) -> Daemon:
    """Each engine in turn; one process of each for all tests."""
    if shutil.which("docker") is None or os.geteuid() != 0:
        pytest.skip("needs root and the docker CLI: run `sudo make test`")
    daemon: Daemon = request.getfixturevalue(f"_{request.param}")
    return daemon


@pytest.fixture
def box(live: Daemon) -> Iterator[str]:
    """A running container of the test's own, with a line in its log."""
    name = f"box-{uuid.uuid4().hex[:6]}"
    script = "echo hello from $HOSTNAME; while :; do sleep 1; done"
    limits = ("-m", "64m", "--cpus", "0.5", "--pids-limit", "20")
    live.docker(
        "run", "-d", "--network", "none", "--name", name, *limits, IMAGE, "sh", "-c", script
    )
    yield name
    live.docker("rm", "-f", name, f"{name}-2", check=False)


@pytest.fixture
async def drive(live: Daemon) -> AsyncIterator[Driver]:
    """The app on 120 columns, its lists in."""
    async with driving(live.socket, (120, 40)) as driver:
        yield driver
