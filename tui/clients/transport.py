"""One engine's HTTP connection: bounded waits, errors as ``ClientError``, no knowledge of paths.

A request that must answer has a total bound; a stream has a bound on connecting and on its
first header only, for it may rightly be silent for hours.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from tui.clients.endpoint import Endpoint
from tui.clients.errors import BadRequest, ServerFault, Unreachable, from_status

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 15.0
CHUNK = 1 << 16
MAX_LINE = 1 << 24

Json = Any
Params = Mapping[str, str | list[str]]


class Transport:
    """A keep-alive session; the engine's API version prefix is set once it is known."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.prefix = ""
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Ends every open request; the transport may be used again afterwards."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=self._connector(), timeout=aiohttp.ClientTimeout(total=None)
            )
        return self._session

    def _connector(self) -> aiohttp.BaseConnector:
        if self.endpoint.path:
            return aiohttp.UnixConnector(path=self.endpoint.path, limit=0)
        return aiohttp.TCPConnector(limit=0)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Json = None,
        data: Any = None,
        header_seconds: float | None = ANSWER_SECONDS,
        versioned: bool = True,
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """An answer whose body is read by the caller, checked for an error status.

        Raises:
            ClientError: also for a link lost while the body is read.
        """
        request = self._open().request(
            method,
            self._url(path, params, versioned=versioned),
            json=body,
            data=data,
            allow_redirects=False,
        )
        with self._translated():
            async with asyncio.timeout(header_seconds):
                response = await request
            try:
                await self._check(response)
                yield response
            finally:
                response.close()

    def _url(self, path: str, params: Params | None, *, versioned: bool) -> URL:
        """The path exactly as quoted: what a person typed must not climb to another call."""
        query = "?" + urlencode(params, doseq=True) if params else ""
        prefix = self.prefix if versioned else ""
        return URL(self.endpoint.base + prefix + path + query, encoded=True)

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status < 300 or response.status == 304:
            return
        if response.status < 400:
            raise BadRequest("the engine has no such path: a name may not hold . or .. alone")
        async with asyncio.timeout(ANSWER_SECONDS):
            text = await response.text(errors="replace")
        raise from_status(response.status, error_message(text))

    def _translated(self) -> "_Translation":
        return _Translation(str(self.endpoint))

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Json = None,
        seconds: float | None = ANSWER_SECONDS,
        versioned: bool = True,
    ) -> tuple[int, bytes]:
        """Status and whole body of a request, all within ``seconds`` (None: as long as it takes).

        Raises:
            ClientError: for an error status, no answer in time, or no connection.
        """
        with self._translated():
            async with (
                asyncio.timeout(seconds),
                self.stream(
                    method,
                    path,
                    params=params,
                    body=body,
                    header_seconds=seconds,
                    versioned=versioned,
                ) as response,
            ):
                return response.status, await response.read()

    async def json(
        self,
        method: str,
        path: str,
        *,
        kind: type[dict[str, Any]] | type[list[Any]] = dict,
        **options: Any,
    ) -> Json:
        """The body of ``request`` decoded: an object or a list of objects, empty for null.

        Raises:
            ServerFault: when the body is not JSON, or not of that kind.
        """
        _, data = await self.request(method, path, **options)
        return _checked(decode(data), kind, path)

    async def json_lines(
        self, method: str, path: str, *, announce: bool = False, **options: Any
    ) -> AsyncGenerator[Json, None]:
        """Each JSON document of a stream, one a line, until the engine ends it.

        With ``announce`` the first item is None, as soon as the engine has accepted the request.
        """
        async with self.stream(method, path, **options) as response:
            if announce:
                yield None
            async for line in _lines(response):
                yield _checked(decode(line), dict, path)


class _Translation:
    """Turns what aiohttp and the kernel raise into ``Unreachable``, in one place."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, TimeoutError):
            raise Unreachable(f"no answer in time from {self._endpoint}") from error
        if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
            raise Unreachable(f"the engine at {self._endpoint} ended the connection") from error
        if isinstance(error, aiohttp.ClientOSError | OSError):
            reason = (error.strerror or str(error)).lower()
            raise Unreachable(f"no engine at {self._endpoint}: {reason}") from error
        if isinstance(error, aiohttp.ClientError):
            raise ServerFault(f"no usable answer from {self._endpoint}: {error}") from error


async def _lines(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """Lines of any length up to ``MAX_LINE``; aiohttp's own reader stops at 64 KiB."""
    pending = bytearray()
    async for chunk in response.content.iter_any():
        pending += chunk
        *whole, rest = pending.split(b"\n")
        pending = bytearray(rest)
        for line in filter(None, (item.strip() for item in whole)):
            yield bytes(line)
        if len(pending) > MAX_LINE:
            raise ServerFault(f"the engine sent a line longer than {MAX_LINE} bytes")
    if pending.strip():
        yield bytes(pending)


def decode(data: bytes) -> Json:
    """JSON, or a ``ServerFault`` that shows how the answer began."""
    try:
        return json.loads(data) if data.strip() else None
    except (ValueError, RecursionError):
        raise ServerFault(f"the engine answered no JSON: {data[:80]!r}") from None


def _checked(data: Json, kind: type[Any], path: str) -> Json:
    if data is None:
        return kind()
    if not isinstance(data, kind):
        raise ServerFault(f"the engine's answer to {path} is no {kind.__name__}: {str(data)[:80]}")
    if isinstance(data, list):
        return [item for item in data if isinstance(item, dict)]
    return data


def error_message(text: str) -> str:
    """The ``message`` of an error body, else the body itself, shortened."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return text.strip()[:500]
    message = body.get("message") if isinstance(body, dict) else None
    return str(message).strip() if message else text.strip()[:500]
