"""One engine and one dockerd for the whole run; most tests run on both: dockerd proves the test."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.system.daemons import Daemon, busybox_rootfs
from tests.system.unprivileged import Unprivileged

IMAGE = "bb:1"


@pytest.fixture(scope="session")
def rootfs_tar() -> bytes:
    return busybox_rootfs()


@pytest.fixture(scope="session")
def running(
    tmp_path_factory: pytest.TempPathFactory, rootfs_tar: bytes
) -> Iterator[dict[str, Daemon]]:
    """Daemons by kind, started when first asked for."""
    started: dict[str, Daemon] = {}
    yield started
    for daemon in started.values():
        daemon.close()


def start(kind: str, folder: Path, rootfs: bytes) -> Daemon:
    daemon = Daemon(kind, folder)
    daemon.start()
    daemon.docker("import", "-", IMAGE, input=rootfs)
    return daemon


def get(
    kind: str, running: dict[str, Daemon], factory: pytest.TempPathFactory, rootfs: bytes
) -> Daemon:
    if kind not in running:
        running[kind] = start(kind, factory.mktemp(kind), rootfs)
    return running[kind]


@pytest.fixture(params=["berth", pytest.param("dockerd", marks=pytest.mark.dockerd)])
def daemon(
    request: pytest.FixtureRequest,
    running: dict[str, Daemon],
    tmp_path_factory: pytest.TempPathFactory,
    rootfs_tar: bytes,
) -> Daemon:
    """Each of the two daemons in turn."""
    return get(request.param, running, tmp_path_factory, rootfs_tar)


@pytest.fixture
def berth(
    running: dict[str, Daemon], tmp_path_factory: pytest.TempPathFactory, rootfs_tar: bytes
) -> Daemon:
    """The engine alone, for what dockerd has no word for."""
    return get("berth", running, tmp_path_factory, rootfs_tar)


@pytest.fixture
def dockerd(
    running: dict[str, Daemon], tmp_path_factory: pytest.TempPathFactory, rootfs_tar: bytes
) -> Daemon:
    """The real dockerd, where berth works with what it made."""
    if shutil.which("dockerd") is None:
        pytest.skip("needs dockerd: run scripts/test-packages")
    return get("dockerd", running, tmp_path_factory, rootfs_tar)


@pytest.fixture
def own_berth(tmp_path: Path, rootfs_tar: bytes) -> Iterator[Daemon]:
    """An engine of the test's own, to be killed and started again."""
    daemon = start("berth", tmp_path / "b", rootfs_tar)
    yield daemon
    if daemon.process and daemon.process.poll() is not None:
        daemon.start()  # so that it can remove its containers
    daemon.close()


UserOf = Callable[..., Unprivileged]


@pytest.fixture
def user_of() -> Iterator[UserOf]:
    """Makes users without root, each of a machine that lacks what is asked for."""
    with ExitStack() as stack:

        def make(**machine: Any) -> Unprivileged:
            made = Unprivileged(**machine)
            stack.callback(made.close)
            return made

        yield make


def begin(user: Unprivileged, rootfs: bytes) -> None:
    """An engine, and an image for it."""
    user.berth("start")
    user.docker("import", "-", IMAGE, input=rootfs)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    """A container name of the test's own, removed afterwards from the daemons that it has."""
    daemons = [
        request.getfixturevalue(each)
        for each in ("daemon", "berth", "dockerd")
        if each in request.fixturenames
    ]
    assert daemons
    chosen = f"t-{uuid.uuid4().hex[:10]}"
    yield chosen
    for daemon in daemons:
        daemon.docker("rm", "-f", chosen, check=False)


@pytest.fixture(autouse=True)
def docker_cli() -> None:
    if shutil.which("docker") is None:
        pytest.skip("needs the docker CLI: run scripts/test-packages")
