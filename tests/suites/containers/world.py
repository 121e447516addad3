"""One engine's container service on its own directories, over the fake launcher or the real one."""

import asyncio
import io
import os
import signal
import tarfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from engine.containers.filters import Filters
from engine.containers.model import (
    AttachOptions,
    Config,
    HostConfig,
    LogEntry,
    LogOptions,
    WaitResult,
)
from engine.containers.service import Containers
from engine.content import Store
from engine.events import Event, Exchange
from engine.images.service import Images
from engine.metadata import Database
from engine.oci.digest import Digest
from engine.runtime import state
from engine.runtime.launcher import Launcher
from engine.snapshots.overlay import Overlay
from tests.suites.containers.fake import FakeLauncher, FakeMonitor

BUSYBOX = Path("/bin/busybox")
APPLETS = (
    "sh ls cat echo sleep id ps env true false pwd printf seq kill grep touch mkdir head".split()
)
BOUND = 15.0
FOREVER = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done")

T = TypeVar("T")


class World:
    """`open` starts an engine, `crash` loses it without a goodbye; containers go on."""

    def __init__(self, directory: Path, *, real: bool, cgroup_parent: str) -> None:
        self.directory = directory
        self.real = real
        self.cgroup_parent = cgroup_parent
        self.processes: dict[str, FakeMonitor] = {}
        self.containers: Containers
        self.launcher: Launcher | FakeLauncher
        self.is_open = False

    async def open(self) -> Containers:
        data, run = self.directory / "data", self.directory / "run"
        self.database = Database(data / "berth.db")
        self.events = Exchange()
        overlay = Overlay(data / "snapshots")
        store = Store(data / "images")
        self.images = Images(store, overlay, self.database, self.events, self._in_use)
        await self.images.restore()
        self.launcher = (
            Launcher(run, cgroup_parent=self.cgroup_parent)
            if self.real
            else FakeLauncher(self.processes)
        )
        await self.launcher.start()
        self.containers = Containers(
            data_dir=data,
            run_dir=run,
            launcher=self.launcher,
            images=self.images,
            database=self.database,
            events=self.events,
            cgroup_parent=self.cgroup_parent,
        )
        self.is_open = True
        if not self.images.list():
            await self.images.import_rootfs(_busybox(), "box:latest")
        await self.containers.restore()
        return self.containers

    async def close(self) -> None:
        self.is_open = False
        await self.containers.close()
        await self.launcher.close()
        await self.images.close()
        self.events.close()
        self.database.close()

    async def reopen(self) -> Containers:
        """As an engine that is restarted."""
        await self.close()
        return await self.open()

    async def lose(self, key: str) -> None:
        """Close, and then have the container vanish with its monitor, as in a power cut."""
        await self.close()
        if self.real:
            known = state.read(str(self.directory / "run/bundles" / key))
            assert known is not None
            for pid in (known.monitor_pid, known.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        else:
            await self.processes.pop(key).vanish()
        (self.directory / "data/containers" / key / "exit.json").unlink(missing_ok=True)

    async def clear(self) -> None:
        """Remove every container, running or not."""
        for container in self.containers.list(Filters(), all=True):
            await self.containers.remove(container.id, force=True)

    async def create(
        self, *cmd: str, name: str = "web", host: HostConfig | None = None, **config: object
    ) -> str:
        fields = {"image": "box", "cmd": cmd or FOREVER, **config}
        made = Config(**fields)  # type: ignore[arg-type]
        wanted = host or HostConfig(network_mode="none")
        return (await self.containers.create(name, made, wanted)).id

    async def run(self, *cmd: str, name: str = "web", **rest: object) -> str:
        key = await self.create(*cmd, name=name, **rest)  # type: ignore[arg-type]
        await self.containers.start(key)
        return key

    async def finished(self, *cmd: str, name: str = "web", **rest: object) -> WaitResult:
        """Run it to its end."""
        key = await self.create(*cmd, name=name, **rest)  # type: ignore[arg-type]
        waiting = self.containers.wait(key, "next-exit")
        await self.containers.start(key)
        return await asyncio.wait_for(waiting, BOUND)

    async def output(self, ref: str, **options: object) -> bytes:
        entries = [entry async for entry in self.log(ref, **options)]
        return b"".join(entry.data for entry in entries)

    def log(self, ref: str, **options: object) -> AsyncIterator[LogEntry]:
        return self.containers.logs(ref, LogOptions(**options))  # type: ignore[arg-type]

    async def attached(self, ref: str, *, stdin: bool = False, logs: bool = False) -> bytes:
        """Everything an attach sees until the end."""
        options = AttachOptions(stdin=stdin, stdout=True, stderr=True, stream=True, logs=logs)
        stream = await self.containers.attach(ref, options)
        return await drain(stream)

    async def actions(self) -> list[str]:
        """What happened to containers in this engine's life."""
        return [event.action for event in await self.seen()]

    async def seen(self) -> list[Event]:
        replay = self.events.subscribe(since_ns=0, until_ns=time.time_ns())
        return [event async for event in replay if event.type == "container"]

    async def until(self, probe: Callable[[], T], what: str) -> T:
        """Wait for a condition of the engine's own state."""
        deadline = time.monotonic() + BOUND
        while not (answer := probe()):
            assert time.monotonic() < deadline, f"not within {BOUND} s: {what}"
            await asyncio.sleep(0.01)
        return answer

    def _in_use(self, image_id: Digest) -> list[str]:
        return self.containers.in_use(image_id) if self.is_open else []


async def drain(stream: object) -> bytes:
    """Read a stream to its end, and close it."""
    pieces = []
    async with asyncio.timeout(BOUND):
        while (piece := await stream.read()) is not None:  # type: ignore[attr-defined]
            pieces.append(piece[1])
        await stream.close()  # type: ignore[attr-defined]
    return b"".join(pieces)


async def _busybox() -> AsyncIterator[bytes]:
    """A root file system tar: busybox, its links, and two users."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("bin", "etc", "tmp", "root", "proc", "sys", "dev", "home"):
            _add(tar, name, tarfile.DIRTYPE, mode=0o755)
        _add(tar, "bin/busybox", tarfile.REGTYPE, BUSYBOX.read_bytes(), mode=0o755)
        for applet in APPLETS:
            _add(tar, f"bin/{applet}", tarfile.SYMTYPE, link="busybox")
        users = b"root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n"
        _add(tar, "etc/passwd", tarfile.REGTYPE, users)
        _add(tar, "etc/group", tarfile.REGTYPE, b"root:x:0:\nbob:x:1000:\nwheel:x:10:bob\n")
    yield buffer.getvalue()


def _add(
    tar: tarfile.TarFile,
    name: str,
    kind: bytes,
    data: bytes = b"",
    *,
    mode: int = 0o644,
    link: str = "",
) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname, entry.size = kind, mode, link, len(data)
    tar.addfile(entry, io.BytesIO(data))
