"""What a person is told when the other end is missing, silent, wrong or gone half way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tui.clients import Client, ClientError, Conflict, Endpoint, ServerFault, Unreachable
from tui.clients.duplex import upgrade
from tui.clients.transport import Transport

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[[Answer], Awaitable[Endpoint]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Serves one raw answer a connection on a socket of its own."""
    servers: list[asyncio.Server] = []

    async def start(answer: Answer) -> Endpoint:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await answer(reader, writer)
            writer.close()

        path = tmp_path / "s.sock"
        servers.append(await asyncio.start_unix_server(handle, path))
        return Endpoint(path=str(path))

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()


def says(data: bytes) -> Answer:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return answer


def http(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


async def failure(endpoint: Endpoint, seconds: float = 5.0) -> ClientError:
    transport = Transport(endpoint)
    try:
        with pytest.raises(ClientError) as caught:
            await transport.json("GET", "/x", seconds=seconds)
        return caught.value
    finally:
        await transport.close()


async def test_no_socket(tmp_path: Path) -> None:
    error = await failure(Endpoint(path=str(tmp_path / "none.sock")))
    assert isinstance(error, Unreachable)
    assert "no engine at unix://" in str(error)
    assert "no such file" in str(error)


async def test_a_port_where_nobody_listens() -> None:
    error = await failure(Endpoint(host="127.0.0.1", port=1))
    assert isinstance(error, Unreachable)


async def test_an_engine_that_says_nothing(serve: Serve) -> None:
    release = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await release.wait()

    error = await failure(await serve(silent), seconds=0.1)
    release.set()
    assert isinstance(error, Unreachable)
    assert "no answer in time" in str(error)


async def test_an_answer_that_is_cut(serve: Serve) -> None:
    endpoint = await serve(says(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"))
    assert isinstance(await failure(endpoint), Unreachable)


async def test_an_answer_that_is_no_http(serve: Serve) -> None:
    assert isinstance(await failure(await serve(says(b"hello\r\n\r\n"))), ServerFault)


async def test_an_answer_that_is_no_json(serve: Serve) -> None:
    error = await failure(await serve(says(http("200 OK", b"<html>"))))
    assert isinstance(error, ServerFault)
    assert "<html>" in str(error)


async def test_json_of_the_wrong_kind(serve: Serve) -> None:
    error = await failure(await serve(says(http("200 OK", b"[1]"))))
    assert isinstance(error, ServerFault)
    assert "answer to /x is no dict" in str(error)


async def test_the_engines_own_message_is_kept(serve: Serve) -> None:
    error = await failure(await serve(says(http("409 Conflict", b'{"message":"name in use"}'))))
    assert isinstance(error, Conflict)
    assert str(error) == "name in use"


async def test_an_error_without_a_body_still_says_something(serve: Serve) -> None:
    error = await failure(await serve(says(http("500 Oops", b""))))
    assert "status 500" in str(error)


async def test_a_refused_upgrade_has_the_engines_message(serve: Serve) -> None:
    endpoint = await serve(says(http("409 Conflict", b'{"message":"not running"}')))
    with pytest.raises(Conflict, match="not running"):
        await upgrade(endpoint, "/exec/x/start", body={}, tty=True)


async def test_an_upgraded_connection_goes_both_ways(serve: Serve) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 UPGRADED\r\n\r\n\x01\0\0\0\0\0\0\x02hi\x02\0\0\0\0\0\0\x01!")
        writer.write(b"\x01\0\0\0\0\0\0\x04" + await reader.readexactly(4))
        await writer.drain()

    stream = await upgrade(await serve(echo), "/attach", tty=False)
    await stream.write(b"ping")
    assert [await stream.read() for _ in range(4)] == [(1, b"hi"), (2, b"!"), (1, b"ping"), None]
    await stream.close()


async def test_a_client_does_no_io_until_asked(tmp_path: Path) -> None:
    client = Client(Endpoint(path=str(tmp_path / "none.sock")))
    assert client.info is None
    with pytest.raises(Unreachable):
        await client.open()
    await client.close()
