"""Rooms in memory, for what HTTP does with them; the real ones are driven in tests/system."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from engine.containers.model import (
    AttachOptions,
    Config,
    Container,
    Created,
    Exec,
    ExecConfig,
    HostConfig,
    LogEntry,
    LogOptions,
    Pruned,
    Size,
    State,
    Status,
    Top,
    WaitResult,
)
from engine.dockerapi.rooms import Facts, Rooms
from engine.errors import CommandNotFound, Conflict, NotFound
from engine.events import Exchange
from engine.images.model import Image
from engine.metrics import Sweep
from engine.oci.digest import Digest
from engine.oci.image import ImageConfig, ProcessDefaults
from engine.runtime.cgroups.stats import BlockStats, CpuStats, MemoryStats, PidsStats, Stats


class Echo:
    """A program that prints what it reads, and on end of input says so on stderr and ends."""

    def __init__(self) -> None:
        self.output: asyncio.Queue[tuple[int, bytes] | Exception | None] = asyncio.Queue(16)
        self.closed = asyncio.Event()
        self.received = 0

    async def read(self) -> tuple[int, bytes] | None:
        piece = await self.output.get()
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def write(self, data: bytes) -> None:
        self.received += len(data)
        await self.output.put((1, data))

    async def write_eof(self) -> None:
        await self.output.put((2, b"end of input\n"))
        await self.output.put(None)

    async def close(self) -> None:
        self.closed.set()


class FakeContainers:
    def __init__(self) -> None:
        self.records: dict[str, Container] = {}
        self.created: list[tuple[str | None, Config, HostConfig]] = []
        self.streams: list[Echo] = []
        self.exits: dict[str, asyncio.Future[WaitResult]] = {}
        self.lines: list[LogEntry] = []
        self.execs: dict[str, Exec] = {}
        self.stopping = asyncio.Event()
        self.may_stop = asyncio.Event()
        self.stopped = asyncio.Event()
        self.reading: Stats | None = None

    def add(self, name: str, *, tty: bool = False, status: Status = Status.RUNNING) -> Container:
        container = Container(
            id=(name.encode("utf-8", "replace").hex() * 64)[:64],
            name=name,
            created_at=1_700_000_000_123_456_789,
            config=Config(image="busybox", tty=tty, open_stdin=True, labels={"a": "b"}),
            host_config=HostConfig(network_mode="none"),
            image_id="sha256:" + "1" * 64,
            path="sh",
            args=("-c", "sleep 1"),
            state=State(status=status, pid=42, started_at=1_700_000_001_000_000_000),
        )
        self.records[container.id] = container
        return container

    def get(self, ref: str) -> Container:
        for container in self.records.values():
            if ref.removeprefix("/") == container.name or container.id.startswith(ref):
                return container
        raise NotFound(f"No such container: {ref}")

    def list(self, filters: Any, *, all: bool = False, limit: int | None = None) -> Any:
        return list(self.records.values())[:limit]

    async def create(self, name: str | None, config: Config, host: HostConfig) -> Created:
        if name == "taken":
            raise Conflict('the name "taken" is in use')
        self.created.append((name, config, host))
        return Created("f" * 64, ("a warning",))

    async def start(self, ref: str) -> bool:
        return self.get(ref).state.status is not Status.RUNNING

    async def stop(self, ref: str, timeout: int | None = None, signal: str | None = None) -> bool:
        self.get(ref)
        self.stopping.set()
        await self.may_stop.wait()
        self.stopped.set()
        return True

    async def restart(
        self, ref: str, timeout: int | None = None, signal: str | None = None
    ) -> None:
        self.get(ref)

    async def kill(self, ref: str, signal: str = "SIGKILL") -> None:
        raise ZeroDivisionError("a programming error")

    async def pause(self, ref: str) -> None:
        self.get(ref)

    async def unpause(self, ref: str) -> None:
        self.get(ref)

    async def rename(self, ref: str, name: str) -> None:
        record = dataclasses.replace(self.get(ref), name=name)
        self.records[record.id] = record

    async def remove(self, ref: str, *, force: bool = False, volumes: bool = False) -> None:
        del self.records[self.get(ref).id]

    def wait(self, ref: str, condition: str = "not-running") -> "asyncio.Future[WaitResult]":
        future = asyncio.get_running_loop().create_future()
        self.exits[self.get(ref).id] = future
        return future

    async def logs(self, ref: str, options: LogOptions) -> AsyncIterator[LogEntry]:
        for line in self.lines:
            yield line

    async def top(self, ref: str, ps_args: str = "") -> Top:
        return Top(("PID", "CMD"), (("1", "sh"),))

    async def resize(self, ref: str, height: int, width: int) -> None:
        self.get(ref)

    async def attach(self, ref: str, options: AttachOptions) -> Echo:
        self.streams.append(Echo())
        return self.streams[-1]

    def exec_create(self, ref: str, config: ExecConfig) -> str:
        session = Exec("e" * 64, self.get(ref).id, config)
        self.execs[session.id] = session
        return session.id

    async def exec_start(
        self, exec_id: str, *, detach: bool = False, tty_size: tuple[int, int] | None = None
    ) -> Echo | None:
        if self.exec_inspect(exec_id).config.cmd[0] == "nosuch":
            raise CommandNotFound('exec: "nosuch": executable file not found in $PATH')
        if detach:
            return None
        self.streams.append(Echo())
        return self.streams[-1]

    def exec_inspect(self, exec_id: str) -> Exec:
        if exec_id not in self.execs:
            raise NotFound(f"No such exec instance: {exec_id}")
        return self.execs[exec_id]

    async def exec_resize(self, exec_id: str, height: int, width: int) -> None:
        self.exec_inspect(exec_id)

    async def update(self, ref: str, resources: Any, restart_policy: Any = None) -> Any:
        return ["not enforced"]

    async def prune(self, filters: Any) -> Pruned:
        return Pruned(("1" * 64,), 10)

    async def size(self, ref: str) -> Size:
        return Size(5, 50)

    def statistics(self, ref: str) -> Stats | None:
        return self.reading


class FakeImages:
    def __init__(self) -> None:
        self.loaded = b""
        self.loading = asyncio.Event()
        self.broken_off = asyncio.Event()
        self.tagged: list[tuple[str, str]] = []
        self.images = [make_image("busybox:latest"), make_image("127.0.0.1:5056/team/app:1")]

    def resolve(self, name: str) -> Image:
        for image in self.images:
            if name in (*image.references, str(image.id)):
                return image
        raise NotFound(f"No such image: {name}")

    def list(self) -> Any:
        return self.images

    def history(self, name: str) -> Any:
        self.resolve(name)
        return []

    async def load(self, chunks: AsyncIterator[bytes]) -> Any:
        self.loading.set()
        try:
            self.loaded = b"".join([chunk async for chunk in chunks])
        except BaseException:
            self.broken_off.set()
            raise
        return ["Loaded image: busybox:latest"]

    async def import_rootfs(
        self,
        chunks: AsyncIterator[bytes],
        reference: str | None,
        *,
        changes: Sequence[str] = (),
        message: str = "",
    ) -> Image:
        self.loaded = b"".join([chunk async for chunk in chunks])
        return make_image(reference or "")

    async def from_host(self, programs: Sequence[str], reference: str, progress: Any) -> Image:
        progress(f"copying {programs[0]}")
        if programs[0] == "nosuch":
            raise NotFound("no program named nosuch on this host")
        if programs[0] == "forbidden":
            raise PermissionError(1, "Operation not permitted", "bin")
        return make_image(reference)

    def tag(self, name: str, target: str) -> None:
        self.tagged.append((name, target))

    async def remove(self, name: str, *, force: bool = False, prune: bool = True) -> Any:
        self.resolve(name)
        return []


class FakeSampler:
    interval = 1.0

    def history(self, container_id: str | None = None) -> dict[str, Any]:
        return {"t": [1.0]}

    async def subscribe(self) -> AsyncIterator[Any]:
        yield Sweep(1.0, {}, {})

    def prometheus(self) -> str:
        return "berth_containers 1\n"


def make_image(reference: str) -> Image:
    digest = Digest.of(reference.encode())
    config = ImageConfig(
        architecture="amd64",
        os="linux",
        diff_ids=(digest,),
        config=ProcessDefaults(cmd=("sh",), labels={"k": "v"}),
        created="2024-01-02T03:04:05.123456789Z",
    )
    return Image(digest, digest, (reference,) if reference else (), (), 1000, config)


def make_reading(total_ns: int = 1000) -> Stats:
    return Stats(
        time_ns=1_700_000_000_000_000_000,
        version=1,
        cpu=CpuStats(total_ns, 600, 400, (500, 500), 1, 1, 7),
        memory=MemoryStats(usage=100, limit=1000, max_usage=200, stat={"cache": 3}),
        pids=PidsStats(3, None),
        block=(BlockStats(8, 0, 10, 20, 1, 2),),
        oom_kills=0,
    )


def make_rooms() -> Rooms:
    return Rooms(
        containers=FakeContainers(),
        images=FakeImages(),
        events=Exchange(),
        sampler=FakeSampler(),
        facts=Facts(
            id="id",
            data_dir=Path("/data"),
            cgroup_mode="hybrid",
            controllers=frozenset(("memory", "cpu")),
            swap_limit=False,
            snapshotter="overlay",
            started_at=10**18,
            warnings=lambda: ["look out"],
        ),
        root_of=lambda _: (),
        layers_size=lambda: 123,
    )
