"""Hijacked connections, by raw sockets: what a client sees, byte by byte."""

import asyncio
import struct

import pytest

from engine.containers.model import ExecConfig
from engine.errors import MonitorLost
from tests.unit.dockerapi.conftest import DEADLINE, Api, read_head

UPGRADE = "Connection: Upgrade\nUpgrade: tcp\n"


def request(path: str, headers: str = UPGRADE, body: str = "") -> str:
    return f"POST {path} HTTP/1.1\nHost: berth\n{headers}Content-Length: {len(body)}\n\n{body}"


async def read_frames(reader: asyncio.StreamReader) -> list[tuple[int, bytes]]:
    data = await asyncio.wait_for(reader.read(-1), DEADLINE)
    frames = []
    while data:
        stream, length = struct.unpack(">BxxxL", data[:8])
        frames.append((stream, data[8 : 8 + length]))
        data = data[8 + length :]
    return frames


ATTACH = "/v1.47/containers/web/attach?stream=1&stdin=1&stdout=1&stderr=1"


async def test_an_upgrade_gets_101_and_frames(api: Api) -> None:
    api.containers.add("web")
    reader, writer = await api.raw(request(ATTACH))
    head = await read_head(reader)
    assert head.startswith("HTTP/1.1 101 UPGRADED\r\n")
    assert "Connection: Upgrade\r\n" in head
    assert "Upgrade: tcp\r\n" in head
    assert "Content-Type: application/vnd.docker.multiplexed-stream\r\n" in head
    writer.write(b"hello")
    writer.write_eof()
    assert await read_frames(reader) == [(1, b"hello"), (2, b"end of input\n")]
    writer.close()


async def test_a_client_without_upgrade_gets_200_and_the_same(api: Api) -> None:
    api.containers.add("web")
    reader, writer = await api.raw(request(ATTACH, headers=""))
    assert (await read_head(reader)).startswith("HTTP/1.1 200 OK\r\n")
    writer.write(b"hello")
    writer.write_eof()
    assert await read_frames(reader) == [(1, b"hello"), (2, b"end of input\n")]
    writer.close()


async def test_a_terminal_has_no_frames(api: Api) -> None:
    api.containers.add("web", tty=True)
    reader, writer = await api.raw(request(ATTACH))
    assert "vnd.docker.raw-stream" in await read_head(reader)
    writer.write(b"hello ")
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(-1), DEADLINE) == b"hello end of input\n"
    writer.close()


async def test_an_old_client_gets_the_old_media_type(api: Api) -> None:
    api.containers.add("web")
    reader, writer = await api.raw(request(ATTACH.replace("1.47", "1.41")))
    assert "vnd.docker.raw-stream" in await read_head(reader)
    writer.close()


async def test_big_binary_data_arrives_whole_both_ways(api: Api) -> None:
    api.containers.add("web", tty=True)
    reader, writer = await api.raw(request(ATTACH))
    await read_head(reader)
    block = bytes(range(256)) * 256
    total = 64

    async def send() -> None:
        for _ in range(total):
            writer.write(block)
            await writer.drain()
        writer.write_eof()

    sending = asyncio.create_task(send())
    data = await asyncio.wait_for(reader.read(-1), 30)
    await sending
    assert data == block * total + b"end of input\n"
    writer.close()


async def test_a_client_that_does_not_read_is_not_read_from(api: Api) -> None:
    """Everything between is bounded: the sender stands still long before 64 MiB."""
    api.containers.add("web", tty=True)
    reader, writer = await api.raw(request(ATTACH))
    await read_head(reader)
    writer.transport.pause_reading()  # type: ignore[attr-defined]

    async def send() -> None:
        for _ in range(1024):
            writer.write(bytes(65536))
            await writer.drain()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(send(), 1.0)
    assert api.containers.streams[0].received < 8 * 1024 * 1024
    writer.transport.abort()
    await asyncio.wait_for(api.containers.streams[0].closed.wait(), DEADLINE)


async def test_a_vanished_client_ends_the_session(api: Api) -> None:
    api.containers.add("web")
    reader, writer = await api.raw(request(ATTACH.replace("stdin=1&", "")))
    await read_head(reader)
    writer.transport.abort()
    await asyncio.wait_for(api.containers.streams[0].closed.wait(), DEADLINE)


async def test_a_client_that_closed_its_half_still_gets_output(api: Api) -> None:
    api.containers.add("web", tty=True)
    reader, writer = await api.raw(request(ATTACH.replace("stdin=1&", "")))
    await read_head(reader)
    writer.write_eof()
    stream = api.containers.streams[0]
    await stream.output.put((1, b"later"))
    assert await asyncio.wait_for(reader.readexactly(5), DEADLINE) == b"later"
    assert not stream.closed.is_set()
    writer.close()
    await asyncio.wait_for(stream.closed.wait(), DEADLINE)


async def test_the_output_end_ends_the_connection(api: Api) -> None:
    api.containers.add("web")
    reader, writer = await api.raw(request(ATTACH))
    await read_head(reader)
    await api.containers.streams[0].output.put((1, b"bye"))
    await api.containers.streams[0].output.put(None)
    assert await read_frames(reader) == [(1, b"bye")]
    writer.close()
    await asyncio.wait_for(api.containers.streams[0].closed.wait(), DEADLINE)


async def test_attach_to_nothing_is_404_in_http(api: Api) -> None:
    reader, writer = await api.raw(request("/containers/nosuch/attach?stream=1"))
    assert (await read_head(reader)).startswith("HTTP/1.1 404 ")
    writer.close()


async def test_exec_start_with_a_body_is_hijacked(api: Api) -> None:
    container = api.containers.add("web")
    config = ExecConfig(cmd=("cat",), attach_stdin=True, attach_stdout=True)
    session = api.containers.exec_create(container.id, config)
    body = '{"Detach":false,"Tty":false}'
    reader, writer = await api.raw(request(f"/v1.47/exec/{session}/start", body=body))
    assert (await read_head(reader)).startswith("HTTP/1.1 101 ")
    writer.write(b"x")
    writer.write_eof()
    assert (await read_frames(reader))[0] == (1, b"x")
    writer.close()


async def test_an_exec_that_cannot_run_says_so_in_the_stream(api: Api) -> None:
    container = api.containers.add("web")
    session = api.containers.exec_create(container.id, ExecConfig(cmd=("nosuch",)))
    reader, writer = await api.raw(request(f"/v1.47/exec/{session}/start", body="{}"))
    assert (await read_head(reader)).startswith("HTTP/1.1 101 ")
    frames = await read_frames(reader)
    assert frames == [(2, b'exec: "nosuch": executable file not found in $PATH\r\n')]
    writer.close()


async def test_a_detached_exec_is_plain_http(api: Api) -> None:
    container = api.containers.add("web")
    session = api.containers.exec_create(container.id, ExecConfig(cmd=("true",)))
    status, _ = await api.call("POST", f"/exec/{session}/start", json={"Detach": True})
    assert status == 200


async def test_a_stream_that_fails_breaks_off_without_http_in_it(api: Api) -> None:
    api.containers.add("web", tty=True)
    reader, writer = await api.raw(request(ATTACH))
    await read_head(reader)
    await api.containers.streams[0].output.put((1, b"some"))
    await api.containers.streams[0].output.put(MonitorLost("the monitor died"))
    assert await asyncio.wait_for(reader.read(-1), DEADLINE) == b"some"
    writer.close()
