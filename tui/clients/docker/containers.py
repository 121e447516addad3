"""``/containers`` of the Docker Engine API."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tui.clients.docker import codec, logs, stats
from tui.clients.docker.values import number, section, strings, text
from tui.clients.duplex import Duplex, upgrade
from tui.clients.errors import ClientError, Conflict
from tui.clients.transport import ANSWER_SECONDS, CHUNK, Transport
from tui.models import Container, ContainerDetail, LogLine, Processes, RunRequest, Sample

STOP_SECONDS = 10
NOT_MODIFIED = 304


@dataclass(frozen=True, slots=True)
class Created:
    """A new container, and what the engine could not do as asked."""

    id: str
    warnings: tuple[str, ...] = ()


def path_of(ref: str, verb: str = "") -> str:
    """The path of a container's call; the reference is quoted, whatever a person typed."""
    return f"/containers/{quote(ref, safe='')}" + (f"/{verb}" if verb else "")


class Containers:
    """Every verb takes an id, a unique prefix of one, or a name.

    All of them raise ``ClientError``: ``NotFound`` for an unknown reference, ``Conflict`` when
    the state forbids the verb, ``Unreachable`` when the engine does not answer in time.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.host_memory: int | None = None

    async def list(self, *, all: bool = True, ids: Iterable[str] = ()) -> list[Container]:
        """Rows; stopped ones too with ``all``; only ``ids`` when given."""
        params = {"all": "1"} if all else {}
        if chosen := list(ids):
            params["filters"] = json.dumps({"id": chosen})
        data = await self._transport.json("GET", "/containers/json", params=params, kind=list)
        return [codec.container_row(item) for item in data]

    async def inspect(self, ref: str) -> ContainerDetail:
        """Everything the engine knows of one container."""
        return codec.container_detail(await self._transport.json("GET", path_of(ref, "json")))

    async def create(self, request: RunRequest) -> Created:
        """Makes a container and does not start it."""
        params = {"name": request.name} if request.name else {}
        body = codec.create_body(request)
        data = await self._transport.json("POST", "/containers/create", params=params, body=body)
        return Created(text(data, "Id"), strings(data, "Warnings"))

    async def run(self, request: RunRequest) -> Created:
        """Creates and starts; a container that cannot start is not left behind."""
        created = await self.create(request)
        try:
            await self.start(created.id)
        except ClientError:
            await self.remove(created.id, force=True)
            raise
        return created

    async def start(self, ref: str) -> bool:
        """False when it ran already."""
        status, _ = await self._transport.request("POST", path_of(ref, "start"))
        return status != NOT_MODIFIED

    async def stop(self, ref: str, timeout: int | None = None) -> bool:
        """Asks, then kills after ``timeout`` seconds; False when it was not running."""
        status = await self._ended(ref, "stop", timeout)
        return status != NOT_MODIFIED

    async def restart(self, ref: str, timeout: int | None = None) -> None:
        """Stops as ``stop`` does, then starts."""
        await self._ended(ref, "restart", timeout)

    async def _ended(self, ref: str, verb: str, timeout: int | None) -> int:
        params = {} if timeout is None else {"t": str(timeout)}
        seconds = (STOP_SECONDS if timeout is None else timeout) + ANSWER_SECONDS
        status, _ = await self._transport.request(
            "POST", path_of(ref, verb), params=params, seconds=seconds
        )
        return status

    async def pause(self, ref: str) -> None:
        """Freezes every process."""
        await self._transport.request("POST", path_of(ref, "pause"))

    async def unpause(self, ref: str) -> None:
        """Thaws every process."""
        await self._transport.request("POST", path_of(ref, "unpause"))

    async def kill(self, ref: str, signal: str = "KILL") -> None:
        """Sends a signal to the container's first process."""
        await self._transport.request("POST", path_of(ref, "kill"), params={"signal": signal})

    async def remove(self, ref: str, *, force: bool = False, volumes: bool = False) -> None:
        """Deletes it; a running one only with ``force``."""
        params = {"force": "1"} if force else {}
        params |= {"v": "1"} if volumes else {}
        await self._transport.request(
            "DELETE", path_of(ref), params=params, seconds=STOP_SECONDS + ANSWER_SECONDS
        )

    async def rename(self, ref: str, name: str) -> None:
        """Gives it another name."""
        await self._transport.request("POST", path_of(ref, "rename"), params={"name": name})

    async def resize(self, ref: str, height: int, width: int) -> None:
        """Sets its terminal's size in cells."""
        size = {"h": str(height), "w": str(width)}
        await self._transport.request("POST", path_of(ref, "resize"), params=size)

    async def top(self, ref: str, ps_args: str = "") -> Processes:
        """Its process table."""
        params = {"ps_args": ps_args} if ps_args else {}
        data = await self._transport.json("GET", path_of(ref, "top"), params=params)
        found = data.get("Processes")
        lines = [row for row in found if isinstance(row, list)] if isinstance(found, list) else []
        return Processes(strings(data, "Titles"), tuple(tuple(map(str, row)) for row in lines))

    async def wait(self, ref: str, condition: str = "not-running") -> int:
        """The exit code; waits as long as it takes, so bound it outside."""
        data = await self._transport.json(
            "POST", path_of(ref, "wait"), params={"condition": condition}, seconds=None
        )
        return number(data, "StatusCode")

    async def attach(self, ref: str, *, tty: bool) -> Duplex:
        """Input and output of the container's own process."""
        params = dict.fromkeys(("stream", "stdin", "stdout", "stderr"), "1")
        transport = self._transport
        path = transport.prefix + path_of(ref, "attach")
        return await upgrade(transport.endpoint, path, params=params, tty=tty)

    async def logs(
        self,
        ref: str,
        *,
        tail: int | None = 1000,
        follow: bool = True,
        since: float | None = None,
        until: float | None = None,
        timestamps: bool = True,
    ) -> AsyncGenerator[LogLine, None]:
        """Lines as they were written, then as they are; ``tail`` None is all of them.

        The iterator ends when the container does (or at once without ``follow``); ``aclose``
        drops the connection.
        """
        options = _log_params(tail, follow, since, until, timestamps)
        async with self._transport.stream(
            "GET", path_of(ref, "logs"), params=options, header_seconds=None
        ) as response:
            tty = response.content_type == "application/vnd.docker.raw-stream"
            chunks = response.content.iter_chunked(CHUNK)
            if not response.content_type.startswith("application/vnd.docker."):
                tty = await self._has_terminal(ref)
            read = logs.raw_lines if tty else logs.framed_lines
            async with aclosing(read(chunks, timestamps=timestamps)) as lines:
                async for line in lines:
                    yield line

    async def _has_terminal(self, ref: str) -> bool:
        data = await self._transport.json("GET", path_of(ref, "json"))
        return bool(section(data, "Config").get("Tty"))

    async def stats(self, ref: str) -> Sample:
        """One sample with rates; that takes the engine a second or two.

        Raises:
            Conflict: when the container does not run.
        """
        if not (await self.inspect(ref)).container.running:
            raise Conflict(f"container {ref} is not running")
        try:
            async with asyncio.timeout(ANSWER_SECONDS), aclosing(self.stats_stream(ref)) as samples:
                async for sample in samples:
                    if sample.throttled_percent is not None:
                        return sample
        except TimeoutError:
            pass  # it stopped meanwhile, and the engine keeps the stream open without a word
        raise Conflict(f"container {ref} has stopped: it sends no figures")

    async def stats_stream(self, ref: str) -> AsyncGenerator[Sample, None]:
        """A sample a second until the container stops; the first has no rates."""
        earlier: Any = None
        path = path_of(ref, "stats")
        async with aclosing(
            self._transport.json_lines("GET", path, params={"stream": "1"})
        ) as docs:
            async for data in docs:
                if stats.is_live(data):
                    yield stats.sample(data, earlier, host_memory=self.host_memory)
                    earlier = data


def _log_params(
    tail: int | None,
    follow: bool,
    since: float | None,
    until: float | None,
    timestamps: bool,
) -> dict[str, str]:
    params = {"stdout": "1", "stderr": "1", "tail": "all" if tail is None else str(tail)}
    params |= {"follow": "1"} if follow else {}
    params |= {"timestamps": "1"} if timestamps else {}
    params |= {"since": f"{since:.9f}"} if since is not None else {}
    return params | ({"until": f"{until:.9f}"} if until is not None else {})
