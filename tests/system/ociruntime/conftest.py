"""berth-runtime's command line next to runc's: the same calls, the same observable behaviour."""

import shutil
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from engine.runtime import syscalls
from tests.system.daemons import busybox_rootfs, remove_cgroups
from tests.system.ociruntime.cli import CGROUP_PARENT, Cli, ConsoleSocket, reap


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("rootfs")
    made.chmod(0o755)
    with tarfile.open(fileobj=BytesIO(busybox_rootfs())) as tar:
        tar.extractall(made, filter="fully_trusted")
    yield made
    shutil.rmtree(made)
    remove_cgroups(CGROUP_PARENT)


@pytest.fixture(params=["runc", "berth"])
def cli(request: pytest.FixtureRequest, tmp_path: Path, rootfs: Path) -> Iterator[Cli]:
    yield from _cli(request.param, tmp_path, rootfs)


@pytest.fixture
def berth(tmp_path: Path, rootfs: Path) -> Iterator[Cli]:
    """For what runc has not, or has otherwise."""
    yield from _cli("berth", tmp_path, rootfs)


def _cli(name: str, folder: Path, rootfs: Path) -> Iterator[Cli]:
    """The containers' processes become this one's children, as they become a shim's."""
    syscalls.set_child_subreaper()
    made = Cli(name, folder, rootfs)
    try:
        yield made
        for container in made.well("list", "--quiet").split():
            made("delete", "--force", container)
    finally:
        syscalls.set_child_subreaper(False)
        reap()


@pytest.fixture
def console(tmp_path: Path) -> Iterator[ConsoleSocket]:
    made = ConsoleSocket(tmp_path / "console.sock")
    yield made
    made.close()
