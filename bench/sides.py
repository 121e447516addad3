"""The sides that are compared: each knows how to do the work once and how long it took."""

import asyncio
import json
import shutil
import subprocess
import tarfile
import tempfile
import time
import uuid
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from engine.runtime import seccomp
from engine.runtime.launcher import CreateOptions, Launcher
from engine.runtime.mount import Mount
from tests.system.daemons import CGROUP_PARENT, Daemon, busybox_rootfs, remove_cgroups

IMAGE = "bench:1"
MIB = 1 << 20


_places: list[Path] = []


def in_memory(folder: Path) -> None:
    """Have `folder` on a tmpfs, as /run is on a real machine; `forget` removes it."""
    place = Path(tempfile.mkdtemp(prefix="berth-bench-", dir="/dev/shm"))
    _places.append(place)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(place)


def forget() -> None:
    """Remove what `in_memory` has made."""
    while _places:
        shutil.rmtree(_places.pop(), ignore_errors=True)


def unpack_rootfs(folder: Path) -> None:
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=BytesIO(busybox_rootfs())) as tar:
        tar.extractall(folder, filter="fully_trusted")


def limited_config(rootfs: Path) -> dict[str, Any]:
    """`runc spec` with Docker's seccomp policy and limits, so that both sides do the same work."""
    folder = rootfs.parent / "spec"
    folder.mkdir()
    subprocess.run(["runc", "spec", "-b", str(folder)], check=True)
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    config["process"].update(terminal=False, args=["/bin/true"])
    config["root"] = {"path": str(rootfs), "readonly": True}
    config["linux"]["seccomp"] = seccomp.default_profile(
        config["process"]["capabilities"]["bounding"]
    )
    config["linux"]["resources"].update(
        memory={"limit": 64 * MIB}, cpu={"quota": 50000, "period": 100000}, pids={"limit": 50}
    )
    return config


class RuntimeSide:
    """berth's runtime by its launcher: no engine, no image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rootfs = folder / "rootfs"
        unpack_rootfs(self.rootfs)
        self.config = limited_config(self.rootfs)
        in_memory(folder / "run")
        self.launcher = Launcher(folder / "run", cgroup_parent=CGROUP_PARENT)

    async def __aenter__(self) -> Self:
        await self.launcher.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.launcher.close()
        remove_cgroups(CGROUP_PARENT)

    def options(self, identity: str) -> CreateOptions:
        folder = self.folder / "containers" / identity
        for name in ("upper", "work"):
            (folder / name).mkdir(parents=True)
        overlay = f"lowerdir={self.rootfs},upperdir={folder}/upper,workdir={folder}/work"
        return CreateOptions(
            bundle=self.folder / "run" / "bundles" / identity,
            config=self.config,
            rootfs_mounts=(Mount("overlay", "overlay", "", tuple(overlay.split(","))),),
            log_path=folder / "log",
            exit_path=folder / "exit.json",
            log_max_bytes=None,
            log_max_files=1,
            open_stdin=False,
            stdin_once=False,
            cgroup_parent=CGROUP_PARENT,
            start=True,
        )

    async def run(self) -> dict[str, float]:
        identity = uuid.uuid4().hex * 2
        options = self.options(identity)
        began = time.perf_counter()
        monitor = await self.launcher.create(identity, options)
        await monitor.start()
        executed = time.perf_counter()
        record = await monitor.wait()
        ended = time.perf_counter()
        assert record.code == 0, record
        await monitor.delete()
        shutil.rmtree(self.folder / "containers" / identity)
        return {
            "berth request → exec": (executed - began) * 1e3,
            "berth request → exit": (ended - began) * 1e3,
        }


class RuncSide:
    """`runc run`, as another engine calls it."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.bundle = folder / "bundle"
        self.bundle.mkdir(parents=True)
        self.state = folder / "state"
        in_memory(self.state)
        (self.bundle / "config.json").write_text(json.dumps(config))

    async def run(self) -> dict[str, float]:
        identity = uuid.uuid4().hex
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *("runc", "--root", str(self.state), "run", "-b", str(self.bundle), identity),
            stdin=subprocess.DEVNULL,
        )
        code = await process.wait()
        assert code == 0, code
        return {"runc run → exit": (time.perf_counter() - began) * 1e3}


class UnshareSide:
    """`unshare` and `chroot`: new namespaces and nothing else, the floor of what a start costs."""

    def __init__(self, rootfs: Path) -> None:
        self.rootfs = rootfs

    async def run(self) -> dict[str, float]:
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *("unshare", "-pfmniu", "chroot", str(self.rootfs), "/bin/true"),
            stdin=subprocess.DEVNULL,
        )
        code = await process.wait()
        assert code == 0, code
        return {"unshare chroot → exit": (time.perf_counter() - began) * 1e3}


class ApiSide:
    """An engine by its HTTP API, over one kept connection."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.daemon = Daemon(kind, folder)

    async def __aenter__(self) -> Self:
        in_memory(self.daemon.folder / ("run" if self.kind == "berth" else "exec"))
        await asyncio.to_thread(self.daemon.start)
        rootfs = busybox_rootfs()
        await asyncio.to_thread(self.daemon.docker, "import", "-", IMAGE, input=rootfs)
        connector = aiohttp.UnixConnector(str(self.daemon.socket))
        self.session = aiohttp.ClientSession("http://engine", connector=connector)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.session.close()
        await asyncio.to_thread(self.daemon.close)

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        session: aiohttp.ClientSession | None = None,
    ) -> Any:
        async with (session or self.session).request(method, path, json=body) as response:
            text = await response.read()
            assert response.status < 400, text
            return json.loads(text) if text else None

    async def run(self) -> dict[str, float]:
        body = {
            "Image": IMAGE,
            "Cmd": ["/bin/true"],
            "HostConfig": {"NetworkMode": "none", "Memory": 64 * MIB, "NanoCpus": 500_000_000},
        }
        marks = [time.perf_counter()]
        made = await self.call("POST", "/containers/create", body)
        path = f"/containers/{made['Id']}"
        for method, step in (("POST", "/start"), ("POST", "/wait"), ("DELETE", "")):
            await self.call(method, path + step)
            marks.append(time.perf_counter())
        return {
            f"{self.kind} create+start": (marks[1] - marks[0]) * 1e3,
            f"{self.kind} → exit": (marks[2] - marks[0]) * 1e3,
            f"{self.kind} total": (marks[3] - marks[0]) * 1e3,
        }


class CliSide:
    """An engine by the docker CLI, a whole process a run."""

    def __init__(self, side: ApiSide) -> None:
        self.side = side

    async def run(self) -> dict[str, float]:
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *("docker", "run", "--rm", "--network", "none", IMAGE, "/bin/true"),
            env=self.side.daemon.env,
            stdin=subprocess.DEVNULL,
        )
        code = await process.wait()
        assert code == 0, code
        return {f"{self.side.kind} docker run": (time.perf_counter() - began) * 1e3}
