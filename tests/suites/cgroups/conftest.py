"""A cgroup of the test's own on whatever this machine mounts, and programs that run inside it."""

import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from engine.runtime.cgroups import Layout, Manager, detect
from engine.runtime.cgroups.systemd import Scope
from engine.runtime.launcher import Launcher
from tests.suites.conftest import RUNTIMES
from tests.suites.host import Host, await_none, hosting, leaving_nothing
from tests.suites.oci import OciLauncher, Runtime

from .cage import MIB, Cage

Start = Callable[..., "subprocess.Popen[str]"]
PARENT = f"berth-test-{os.getpid()}"


_HALVES = ["v1 alone", "v2 alone"] if detect().mode == "hybrid" else []


@pytest.fixture(params=["as mounted", *_HALVES], scope="session")
def layout(request: pytest.FixtureRequest) -> Layout:
    """The machine's own layout, and each half of a hybrid one as if it were all there is."""
    found = detect()
    if request.param != "as mounted":
        version = 1 if request.param == "v1 alone" else 2
        kept = tuple(h for h in found.hierarchies if h.version == version)
        found = Layout(f"v{version}", kept)
    if not any(hierarchy.writable for hierarchy in found.hierarchies):
        pytest.skip("needs a cgroup hierarchy that can be written: run as root")
    return found


def needs(layout: Layout, v1: str, v2: str) -> None:
    """Skip the test where the controller is not to be had."""
    if Manager(layout, "x").find(v1, v2) is None:
        pytest.skip(f"needs the {v1} controller")


# Where systemd is process 1 there is another way to a cgroup: the machine of tests/cgroup2 has it.
_SYSTEMD = os.path.isdir("/run/systemd/system")
NEEDS_SYSTEMD = [
    pytest.mark.root,
    pytest.mark.skipif(
        not _SYSTEMD,
        reason="needs systemd as process 1, which the machine of `make test-cgroup2` has",
    ),
]
_DRIVERS = ["cgroupfs", *(["systemd"] if _SYSTEMD else [])]


@pytest.fixture(params=_DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def group(layout: Layout, driver: str) -> Iterator[Manager]:
    """A fresh cgroup; afterwards what lives in it is killed, and it and its parent removed."""
    manager = Manager(layout, f"{PARENT}/one")
    if driver == "systemd":
        manager = Scope(layout, f"system.slice/{PARENT}-one.scope")
    manager.create()
    yield manager
    if manager.exists():
        manager.kill()
        manager.remove()
    Manager(layout, PARENT).remove()


@pytest.fixture
def start(group: Manager) -> Iterator[Start]:
    """Start a Python program inside the group: it waits to be moved before its first line."""
    started: list[subprocess.Popen[str]] = []

    def run(code: str) -> "subprocess.Popen[str]":
        program = f"import sys\nsys.stdin.readline()\n{code}"
        child = subprocess.Popen(
            [sys.executable, "-IS", "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
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
        if group.exists() and group.is_frozen():
            group.thaw()
        child.communicate()


@pytest.fixture(scope="module")
def runtime(request: pytest.FixtureRequest) -> Runtime | None:
    return RUNTIMES[request.param]


@pytest.fixture
def loop_device(tmp_path: Path) -> Iterator[str]:
    """Of 16 MiB, all of its own."""
    image = tmp_path / "disk"
    image.write_bytes(b"")
    os.truncate(image, 16 * MIB)
    made = subprocess.run(
        ["losetup", "--find", "--show", str(image)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"needs a loop device: {made.stderr.strip()}")
    device = made.stdout.strip()
    yield device
    subprocess.run(["losetup", "--detach", device], check=True)


@pytest.fixture(scope="module")
def module_parent() -> Iterator[str]:
    """The cgroup above those of all containers of a module, and of what is ready ahead."""
    yield from leaving_nothing(PARENT)


@pytest.fixture
def cgroup_parent(module_parent: str) -> Iterator[str]:
    yield module_parent
    assert await_none(module_parent, but="spare-") == [], "cgroups were left over"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def launcher(
    tmp_path_factory: pytest.TempPathFactory, module_parent: str, runtime: Runtime | None
) -> AsyncIterator[Launcher | OciLauncher]:
    """One for all tests of a module: nearly all that a short test takes is a zygote's start."""
    run = tmp_path_factory.mktemp("run")
    made = Launcher(run, cgroup_parent=module_parent) if runtime is None else None
    launcher = made or OciLauncher(runtime, run)
    await launcher.start()
    yield launcher
    await launcher.close()


@pytest_asyncio.fixture(loop_scope="module")
async def host(
    tmp_path: Path, rootfs: Path, cgroup_parent: str, runtime: Runtime | None
) -> AsyncIterator[Host]:
    async with hosting(tmp_path, rootfs, cgroup_parent, runtime) as host:
        yield host


@pytest.fixture
def cage(host: Host, launcher: Launcher) -> Cage:
    """Containers of whatever runtime the test runs on."""
    return Cage(host, launcher)
