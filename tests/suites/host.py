"""One host's view of containers of busybox, for the suites that run on several runtimes."""

import asyncio
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.runtime import state
from engine.runtime.cgroups import Manager, detect
from engine.runtime.launcher import AttachedStream, CreateOptions, Launcher, Monitor
from tests.conftest import SLOWDOWN

from .oci import OciLauncher, OciMonitor, Runtime

BOUND = 20.0 * SLOWDOWN
BUSYBOX = "/bin/busybox"

Config = dict[str, Any]


def make_rootfs(root: Path) -> Path:
    """A root file system with nothing but a static busybox."""
    for name in ("bin", "proc", "sys", "dev", "tmp", "etc"):
        (root / name).mkdir()
    shutil.copy(BUSYBOX, root / "bin/busybox")
    listed = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True)
    for name in listed.stdout.split():
        if name != "busybox":
            (root / "bin" / name).symlink_to("busybox")
    return root


class Host:
    """One engine's view: a run directory, launchers on it, and the containers made in the test.

    Args:
        runtime: what makes the containers; None for berth's own launcher.
    """

    def __init__(
        self, directory: Path, rootfs: Path, cgroup_parent: str, runtime: Runtime | None = None
    ) -> None:
        self.directory = directory
        self.rootfs = rootfs
        self.cgroup_parent = cgroup_parent
        self.runtime = runtime
        self.monitors: list[Monitor] = []
        self.launchers: list[Launcher] = []
        self.monitor_pids: set[int] = set()

    async def launcher(self) -> Launcher:
        launcher = self._make_launcher()
        self.launchers.append(launcher)
        await launcher.start()
        return launcher

    def _make_launcher(self) -> Any:
        """A Launcher, or what stands for it on another runtime."""
        if self.runtime is not None:
            return OciLauncher(self.runtime, self.directory / "run")
        return Launcher(self.directory / "run", cgroup_parent=self.cgroup_parent)

    def bundle(self, name: str) -> Path:
        return self.directory / "run/bundles" / name

    def log(self, name: str) -> Path:
        return self.directory / "data" / name / "container.log"

    def exit(self, name: str) -> Path:
        return self.directory / "data" / name / "exit.json"

    async def state(self, monitor: Monitor) -> Config:
        """The OCI runtime specification's state of a container."""
        if isinstance(monitor, OciMonitor):
            return await monitor.state()
        return dict(json.loads((self.bundle(monitor.id) / "state.json").read_text()))

    def config(self, args: list[str], **changes: Any) -> Config:
        """An OCI configuration; `changes` are `terminal`, `resources`, `mounts`, `env`."""
        config: Config = {
            "ociVersion": "1.2.0",
            "root": {"path": str(self.rootfs)},
            "hostname": "box",
            "process": process(args, terminal=changes.get("terminal", False)),
            "mounts": [*MOUNTS, *changes.get("mounts", [])],
            "linux": {
                "namespaces": [{"type": kind} for kind in NAMESPACES],
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
            await _discard(monitor)
        for launcher in self.launchers:
            await launcher.close()


@asynccontextmanager
async def hosting(
    directory: Path, rootfs: Path, cgroup_parent: str, runtime: Runtime | None
) -> AsyncIterator[Host]:
    """Fails on the way out when a monitor or a bundle is left over."""
    host = Host(directory, rootfs, cgroup_parent, runtime)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(host.clean_up)
        yield host
    await until(lambda: not [pid for pid in host.monitor_pids if state.start_time(pid)])
    bundles = directory / "run/bundles"
    assert not bundles.exists() or list(bundles.iterdir()) == []


async def _discard(monitor: Monitor) -> None:
    if isinstance(monitor, OciMonitor):
        await monitor.discard()
        return
    with suppress(EngineError):
        await monitor.kill(9)
    with suppress(EngineError):
        async with asyncio.timeout(BOUND):
            await monitor.wait()
    await monitor.delete()


_CONFIG_KEYS = {"terminal", "resources", "mounts"}
NAMESPACES = ("pid", "mount", "network", "uts", "ipc", "cgroup")
MOUNTS: list[Config] = [
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


def leaving_nothing(parent: str) -> Iterator[str]:
    """The cgroup `parent`, for a fixture: removed at the end, when nothing may be left in it."""
    yield parent
    left = await_none(parent)
    Manager(detect(), parent).remove()
    assert left == [], "cgroups were left over"


def await_none(parent: str, *, but: str = "/") -> list[Path]:
    """Cgroups below a parent, but for those named so; a monitor without an engine soon ends."""
    deadline = time.monotonic() + BOUND
    while left := [path for path in _children(parent) if not path.name.startswith(but)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)
    return left


def _children(parent: str) -> list[Path]:
    directories = Manager(detect(), parent).directories()
    return [each for path in directories for each in Path(path).glob("*/")]


async def until(condition: Callable[[], object], *, bound: float = BOUND) -> None:
    """Wait for a condition outside of this process, with a deadline."""
    deadline = time.monotonic() + bound
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.01)


async def until_quiet(value: Callable[[], object], *, seconds: float = 0.3) -> None:
    """Wait until the value has stayed the same for so long."""
    deadline = time.monotonic() + BOUND
    last, since = value(), time.monotonic()
    while time.monotonic() - since < seconds:
        assert time.monotonic() < deadline, "it did not come to rest"
        await asyncio.sleep(0.01)
        if (now := value()) != last:
            last, since = now, time.monotonic()


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


def missing() -> str:
    """What this machine lacks for the suites; empty when nothing."""
    if os.geteuid() != 0:
        return "needs root"
    if not Path(BUSYBOX).exists():
        return "needs busybox-static"
    return ""
