"""Real containers of busybox in a cgroup parent of their own; every test must leave nothing."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError
from engine.runtime import state
from engine.runtime.cgroups import Manager, detect
from engine.runtime.launcher import AttachedStream, CreateOptions, Launcher, Monitor

BOUND = 20.0
BUSYBOX = "/bin/busybox"

pytestmark = pytest.mark.root

Config = dict[str, Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    missing = _missing()
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.root)
            if missing:
                item.add_marker(pytest.mark.skip(reason=missing))


def _missing() -> str:
    if os.geteuid() != 0:
        return "needs root"
    if not Path(BUSYBOX).exists():
        return "needs busybox-static"
    return ""


@pytest.fixture(scope="session")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root file system with nothing but a static busybox."""
    root = tmp_path_factory.mktemp("rootfs")
    for name in ("bin", "proc", "sys", "dev", "tmp", "etc"):
        (root / name).mkdir()
    shutil.copy(BUSYBOX, root / "bin/busybox")
    listed = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True)
    for name in listed.stdout.split():
        if name != "busybox":
            (root / "bin" / name).symlink_to("busybox")
    return root


@pytest.fixture
def cgroup_parent() -> Iterator[str]:
    parent = f"berth-test-{os.getpid()}"
    yield parent
    group = Manager(detect(), parent)
    deadline = time.monotonic() + BOUND
    while left := [each for path in group.directories() for each in Path(path).glob("*/")]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)  # a monitor that lost its engine is about to end
    group.remove()
    assert left == [], "cgroups were left over"


class Host:
    """One engine's view: a run directory, launchers on it, and the containers made in the test."""

    def __init__(self, directory: Path, rootfs: Path, cgroup_parent: str) -> None:
        self.directory = directory
        self.rootfs = rootfs
        self.cgroup_parent = cgroup_parent
        self.monitors: list[Monitor] = []
        self.launchers: list[Launcher] = []
        self.monitor_pids: set[int] = set()

    async def launcher(self) -> Launcher:
        launcher = Launcher(self.directory / "run", cgroup_parent=self.cgroup_parent)
        self.launchers.append(launcher)
        await launcher.start()
        return launcher

    def bundle(self, name: str) -> Path:
        return self.directory / "run/bundles" / name

    def log(self, name: str) -> Path:
        return self.directory / "data" / name / "container.log"

    def exit(self, name: str) -> Path:
        return self.directory / "data" / name / "exit.json"

    def config(self, args: list[str], **changes: Any) -> Config:
        """An OCI configuration; `changes` are `terminal`, `resources`, `mounts`, `env`."""
        config: Config = {
            "ociVersion": "1.2.0",
            "root": {"path": str(self.rootfs)},
            "hostname": "box",
            "process": process(args, terminal=changes.get("terminal", False)),
            "mounts": [*_MOUNTS, *changes.get("mounts", [])],
            "linux": {
                "namespaces": [{"type": kind} for kind in _NAMESPACES],
                "resources": changes.get("resources", {}),
            },
        }
        return config

    def options(self, name: str, config: Config, **changes: Any) -> CreateOptions:
        wanted: dict[str, Any] = {
            "bundle": self.bundle(name),
            "config": config,
            "rootfs_mounts": (),
            "log_path": self.log(name),
            "exit_path": self.exit(name),
            "log_max_bytes": None,
            "log_max_files": 1,
            "open_stdin": False,
            "stdin_once": False,
            "cgroup_parent": self.cgroup_parent,
        }
        return CreateOptions(**{**wanted, **changes})

    async def create(
        self, launcher: Launcher, name: str, args: list[str], **changes: Any
    ) -> Monitor:
        """A created container; keyword arguments go to `config` or to `options`."""
        mine = {key: changes.pop(key) for key in tuple(changes) if key in _CONFIG_KEYS}
        options = self.options(name, self.config(args, **mine), **changes)
        return self.remember(await launcher.create(name, options))

    def remember(self, monitor: Monitor) -> Monitor:
        self.monitors.append(monitor)
        self.monitor_pids.add(monitor.monitor_pid)
        return monitor

    async def clean_up(self) -> None:
        for monitor in reversed(self.monitors):
            with suppress(EngineError):
                await monitor.kill(9)
            with suppress(EngineError):
                async with asyncio.timeout(BOUND):
                    await monitor.wait()
            await monitor.delete()
        for launcher in self.launchers:
            await launcher.close()


_CONFIG_KEYS = {"terminal", "resources", "mounts"}
_NAMESPACES = ("pid", "mount", "network", "uts", "ipc", "cgroup")
_MOUNTS: list[Config] = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {
        "destination": "/dev",
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
        "destination": "/dev/pts",
        "type": "devpts",
        "source": "devpts",
        "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
]


def process(args: list[str], *, terminal: bool = False) -> Config:
    """An OCI `process`."""
    return {
        "args": args,
        "env": ["PATH=/bin", "HOME=/"],
        "cwd": "/",
        "user": {"uid": 0, "gid": 0},
        "terminal": terminal,
        "noNewPrivileges": True,
    }


@pytest.fixture
async def host(tmp_path: Path, rootfs: Path, cgroup_parent: str) -> AsyncIterator[Host]:
    """Fails the test when a monitor, a bundle or (see `cgroup_parent`) a cgroup is left over."""
    host = Host(tmp_path, rootfs, cgroup_parent)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(host.clean_up)
        yield host
    await until(lambda: not [pid for pid in host.monitor_pids if state.start_time(pid)])
    bundles = tmp_path / "run/bundles"
    assert not bundles.exists() or list(bundles.iterdir()) == []


@pytest.fixture
async def launcher(host: Host) -> Launcher:
    return await host.launcher()


async def until(condition: Callable[[], object], *, bound: float = BOUND) -> None:
    """Wait for a condition outside of this process, with a deadline."""
    deadline = time.monotonic() + bound
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.01)


async def bounded(awaitable: Awaitable[Any]) -> Any:
    async with asyncio.timeout(BOUND):
        return await awaitable


async def read_all(stream: AttachedStream) -> dict[int, bytes]:
    """Everything until the end of the stream, by stream number; closes it."""
    got = {1: b"", 2: b""}
    async with asyncio.timeout(BOUND):
        while (piece := await stream.read()) is not None:
            got[piece[0]] += piece[1]
    await stream.close()
    return got


async def read_until(stream: AttachedStream, mark: bytes) -> bytes:
    """Output up to and with `mark`."""
    got = b""
    async with asyncio.timeout(BOUND):
        while mark not in got:
            piece = await stream.read()
            assert piece is not None, f"the stream ended after {got!r}"
            got += piece[1]
    return got


def log_text(path: Path) -> bytes:
    """The log's messages joined as the program wrote them; checks every record's form."""
    text = b""
    for line in path.read_bytes().splitlines():
        time_text, stream, tag, message = line.split(b" ", 3)
        assert len(time_text) == 30 and time_text.endswith(b"Z"), line
        assert stream in {b"stdout", b"stderr"} and tag in {b"F", b"P"}, line
        text += message + (b"\n" if tag == b"F" else b"")
    return text
