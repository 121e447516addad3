"""One request as a handler sees it: path arguments, query values, body, each checked by name."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientConnectionError, web

from engine.dockerapi.fields import Fields
from engine.dockerapi.versions import Version
from engine.errors import InvalidArgument

MAX_BODY = 4 * 1024 * 1024
MAX_INTEGER = 2**63 - 1
CHUNK = 256 * 1024

_FALSE = {"", "0", "no", "false", "none"}

Filters = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Call:
    """A request, the API version it speaks, and what its path named."""

    request: web.BaseRequest
    version: Version
    args: dict[str, str]

    def text(self, name: str, default: str = "") -> str:
        return self.request.query.get(name, default)

    def texts(self, name: str) -> list[str]:
        return list(self.request.query.getall(name, []))

    def flag(self, name: str, default: bool = False) -> bool:
        """Docker's rule: everything but empty, 0, no, false and none is true."""
        value = self.request.query.get(name)
        return default if value is None else value.strip().lower() not in _FALSE

    def integer(self, name: str) -> int | None:
        """A whole number, or None when the query does not have it."""
        value = self.request.query.get(name, "").strip()
        if not value:
            return None
        try:
            number = int(value)
        except ValueError:
            raise InvalidArgument(f"{name}: must be a whole number, got {value!r}") from None
        if abs(number) > MAX_INTEGER:
            raise InvalidArgument(f"{name}: out of range, got {value}")
        return number

    def filters(self, name: str = "filters") -> Filters:
        """Filters in either of Docker's forms: `{"k": {"v": true}}` or `{"k": ["v"]}`."""
        value = self.request.query.get(name, "")
        if not value:
            return {}
        try:
            document = json.loads(value)
        except (ValueError, RecursionError):
            raise InvalidArgument(f"{name}: not valid JSON: {value[:200]}") from None
        if not isinstance(document, dict):
            raise InvalidArgument(f"{name}: must be a JSON object")
        return {key: _filter_values(name, key, values) for key, values in document.items()}

    async def body(self) -> bytes:
        """The whole body, which must be short.

        Raises:
            InvalidArgument: it is longer than MAX_BODY.
        """
        parts = bytearray()
        async for chunk in self.chunks():
            parts += chunk
            if len(parts) > MAX_BODY:
                raise InvalidArgument(f"request body: longer than {MAX_BODY} bytes")
        return bytes(parts)

    async def json(self) -> Fields:
        """The body as a JSON object; an empty body is an empty object."""
        body = await self.body()
        return Fields(_parse(body) if body.strip() else {})

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives.

        Raises:
            ConnectionResetError: the client went away before the end.
        """
        await self._go_on()
        try:
            async for chunk in self.request.content.iter_chunked(CHUNK):
                yield chunk
        except (ClientConnectionError, web.RequestPayloadError) as error:
            raise ConnectionResetError("request body: the client went away") from error

    async def _go_on(self) -> None:
        """Answer `Expect: 100-continue`; curl sends no long body before it has seen this."""
        writer = self.request.writer
        if self.request.headers.get("Expect", "").lower() == "100-continue":
            await writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            writer.output_size = 0  # the reply itself has not begun


def _filter_values(name: str, key: str, values: Any) -> tuple[str, ...]:
    if isinstance(values, str):
        return (values,)
    if isinstance(values, dict):
        return tuple(str(value) for value, wanted in values.items() if wanted)
    if isinstance(values, list) and all(isinstance(value, str) for value in values):
        return tuple(values)
    raise InvalidArgument(f"{name}.{key}: must be a list of strings")


def _parse(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"request body: not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidArgument("request body: must be a JSON object")
    return _whole(document) if b"\\u" in body else document


def _whole(document: dict[str, Any]) -> dict[str, Any]:
    """JSON can name half a surrogate pair, which is no character; nothing else can carry it."""
    text = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    whole: dict[str, Any] = json.loads(text)
    return whole
