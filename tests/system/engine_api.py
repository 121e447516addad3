"""One engine to be killed at will, and its Docker API by aiohttp on the unix socket.

A request whose answer was lost with the engine raises Away, and only then: an engine that hangs up
while it lives fails the test.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp

from tests import slow_engine
from tests.conftest import SLOWDOWN, eventually
from tests.system.daemons import Daemon, busybox_rootfs, is_removed, remove_cgroups

IMAGE = "bb:1"
HEADER = 8
BOUND = 60.0 * SLOWDOWN


class Away(Exception):
    """The engine was killed before it had answered: what it did is not known."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json()["message"]) if self.status >= 400 else ""

    def output(self) -> dict[int, bytes]:
        """The streams in a body of frames."""
        streams: dict[int, bytes] = {1: b"", 2: b""}
        rest = self.body
        while len(rest) >= HEADER:
            size = int.from_bytes(rest[4:HEADER], "big")
            streams[rest[0]] += rest[HEADER : HEADER + size]
            rest = rest[HEADER + size :]
        return streams


@dataclass
class Engine(Daemon):
    """`kill` and `begin` may be called at any time; `up` waits until it answers."""

    parent: str = ""
    kills: list[float] = field(default_factory=list)
    lives: int = 0
    is_away: bool = False

    @classmethod
    def make(cls, folder: Path, name: str) -> "Engine":
        return cls("berth", folder, parent=f"berth-{name}-{os.getpid()}")

    def command(self) -> list[str]:
        return [*slow_engine.COMMAND, "run", "--cgroup-parent", self.parent]

    def answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"the engine ended: {self.log()[-3000:]}")
        return asyncio.run(self.pings())

    async def pings(self) -> bool:
        connector = aiohttp.UnixConnector(str(self.socket))
        try:
            async with (
                aiohttp.ClientSession(connector=connector) as http,
                http.get("http://d/_ping") as answer,
            ):
                return answer.status == 200
        except (aiohttp.ClientError, OSError):
            return False

    def kill(self) -> None:
        self.kills.append(time.monotonic())
        self.is_away = True
        super().kill()

    async def restart(self) -> None:
        """Start it again, and return when it answers."""
        await asyncio.to_thread(self.start)
        self.lives += 1
        self.is_away = False

    def close(self) -> None:
        """Remove every container by way of the engine; what a failed test leaves goes by force."""
        try:
            if self.process is not None and self.process.poll() is not None:
                self.start()
            asyncio.run(self._remove_all())
        finally:
            self.stop()
            for pid in self.processes():
                kill_process(pid)
            for top in Path("/sys/fs/cgroup").glob(f"*/{self.parent}"):
                remove_below(top)
            remove_cgroups(self.parent)

    async def _remove_all(self) -> None:
        async with opened(self) as api:
            for each in (await api.call("GET", "/containers/json?all=1")).json():
                await api.call("DELETE", f"/containers/{each['Id']}?force=1")

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    # --- its processes --------------------------------------------------------------------------

    def processes(self) -> dict[int, str]:
        """Every process that is the engine's or its containers', and what it is called."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes()
                groups = (path / "cgroup").read_text()
                name = (path / "comm").read_text().strip()
                dead = (path / "stat").read_text().rpartition(")")[2].split()[0] in "XZ"
            except (FileNotFoundError, ProcessLookupError):
                continue
            if not dead and (self.parent.encode() in words or self.parent in groups):
                found[int(path.name)] = name
        return found

    def zygotes(self) -> list[int]:
        return [pid for pid, name in self.processes().items() if name == "berth-zygote"]

    def monitors(self) -> dict[int, str]:
        """Monitors by pid, with the id of their container; empty for one that waits for work."""
        named = [pid for pid, name in self.processes().items() if name == "berth-monitor"]
        pids = [pid for pid in named if leads_session(pid)]
        owners = {}
        for path in (self.folder / "run" / "bundles").glob("*/state.json"):
            try:
                document = json.loads(path.read_text())
            except (FileNotFoundError, NotADirectoryError):
                continue
            owners[document["berth"]["monitorPid"]] = document["id"]
        return {pid: owners.get(pid, "") for pid in pids}


@contextmanager
def serving(folder: Path, name: str) -> Iterator[Engine]:
    """An engine that answers; afterwards nothing of it is left."""
    engine = Engine.make(folder, name)
    try:
        engine.start()
        yield engine
    finally:
        engine.close()


def leads_session(pid: int) -> bool:
    """Whether it is the first of its session, in the host's pid namespace.

    A monitor is. What it makes a container with is called the same, and is not.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    numbers = dict(line.split(":", 1) for line in status.splitlines())
    return numbers["NSsid"].split() == [str(pid)]


def remove_below(top: Path) -> None:
    """The cgroups in a cgroup, as soon as what was killed in them is gone."""
    for folder, _, _ in os.walk(top, topdown=False):
        path = Path(folder)
        if path != top:
            eventually(lambda path=path: is_removed(path), what=f"{path} is empty")


def kill_process(pid: int) -> bool:
    """SIGKILL; whether it was there. By descriptor: the number may be another's by now."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        signal.pidfd_send_signal(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(process)
    return True


class Api:
    """Requests to an engine, one connection each: none is left over from an engine that died."""

    def __init__(self, engine: Engine, http: aiohttp.ClientSession) -> None:
        self._engine = engine
        self._http = http

    async def call(self, method: str, path: str, body: Any = None) -> Answer:
        """Raises Away when the engine was killed meanwhile."""
        before = self._engine.lives
        try:
            async with asyncio.timeout(BOUND), self._request(method, path, body) as answer:
                return Answer(answer.status, await answer.read())
        except (aiohttp.ClientError, ConnectionError) as error:
            await self._excuse(before, f"{method} {path}", error)
            raise Away(path) from error

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        """The lines of an endless answer, until it ends. Raises Away."""
        before = self._engine.lives
        try:
            async with self._request("GET", path, None) as answer:
                assert answer.status == 200, await answer.text()
                async for line in answer.content:
                    yield line
        except (aiohttp.ClientError, ConnectionError) as error:
            await self._excuse(before, path, error)
            raise Away(path) from error

    def _request(self, method: str, path: str, body: Any) -> Any:
        given = {"data": BytesIO(body)} if isinstance(body, bytes) else {"json": body}
        return self._http.request(method, f"http://d{path}", **given)

    async def _excuse(self, before: int, what: str, error: Exception) -> None:
        """Only a dead engine may hang up; returns when the next one answers."""
        is_excused = self._engine.is_away or self._engine.lives > before
        assert is_excused, f"{what}: hung up by a live engine: {error!r}"
        deadline = time.monotonic() + BOUND
        while not await self._engine.pings():
            assert time.monotonic() < deadline, f"{what}: no engine came back after {error!r}"
            await asyncio.sleep(0.02)


@asynccontextmanager
async def opened(engine: Engine) -> AsyncIterator[Api]:
    connector = aiohttp.UnixConnector(str(engine.socket), limit=0, force_close=True)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        yield Api(engine, http)


async def load_image(api: Api) -> None:
    answer = await api.call(
        "POST", "/images/create?fromSrc=-&repo=bb&tag=1", await asyncio.to_thread(busybox_rootfs)
    )
    assert answer.status == 200, answer.body
