"""An API on a socket of its own, over rooms in memory."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, UnixConnector, web

from engine.dockerapi.app import make_router
from engine.dockerapi.server import ApiServer
from tests.unit.dockerapi.fakes import FakeContainers, FakeImages, make_rooms

DEADLINE = 5.0


class Api:
    """The served rooms, an HTTP client, and raw connections."""

    def __init__(self, path: Path, client: ClientSession) -> None:
        self.rooms = make_rooms()
        self.path = path
        self.client = client
        self.writers: list[asyncio.StreamWriter] = []

    @property
    def containers(self) -> FakeContainers:
        assert isinstance(self.rooms.containers, FakeContainers)
        return self.rooms.containers

    @property
    def images(self) -> FakeImages:
        assert isinstance(self.rooms.images, FakeImages)
        return self.rooms.images

    async def call(self, method: str, path: str, **arguments: Any) -> tuple[int, Any]:
        """Status and body, read as JSON where it is."""
        async with self.client.request(method, f"http://berth{path}", **arguments) as response:
            body = await response.read()
            is_json = response.content_type == "application/json" and body
            return response.status, json.loads(body) if is_json else body

    async def raw(self, text: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send bytes as they are; lines end as HTTP wants."""
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        self.writers.append(writer)
        writer.write(text.replace("\n", "\r\n").encode())
        return reader, writer

    async def hang_up(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def read_head(reader: asyncio.StreamReader) -> str:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE)
    return head.decode()


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "api.sock"
        async with ClientSession(connector=UnixConnector(str(path))) as client:
            made = Api(path, client)
            server = ApiServer(make_router(made.rooms))
            runner = server.runner()
            await runner.setup()
            await web.UnixSite(runner, str(path)).start()
            yield made
            await made.hang_up()
            await client.close()
            await server.close()
            await runner.cleanup()
