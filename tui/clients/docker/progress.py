"""Docker's progress streams: JSON documents one after another, an error perhaps in the last."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from typing import Any

from tui.clients.docker.values import section, text
from tui.clients.errors import BadRequest, ServerFault

MAX_DOCUMENT = 1 << 20


async def lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    """What the engine says, line by line.

    Raises:
        BadRequest: the error the stream carries: the status was 200 before it was known.
    """
    pending = ""
    decoder = json.JSONDecoder()
    async for chunk in chunks:
        pending += chunk.decode("utf-8", "replace")
        while document := _next(decoder, pending):
            data, pending = document
            for line in _said(data):
                yield line
        if len(pending) > MAX_DOCUMENT:
            raise ServerFault("the engine's progress stream is not JSON")


def _next(decoder: json.JSONDecoder, pending: str) -> tuple[Mapping[str, Any], str] | None:
    body = pending.lstrip()
    if not body:
        return None
    try:
        data, end = decoder.raw_decode(body)
    except ValueError:
        return None
    return (data if isinstance(data, dict) else {}), body[end:]


def _said(data: Mapping[str, Any]) -> Iterator[str]:
    failure = text(section(data, "errorDetail"), "message") or text(data, "error")
    if failure:
        raise BadRequest(failure)
    words = text(data, "stream") or text(data, "status") or text(section(data, "aux"), "ID")
    progress = text(data, "progress")
    for line in words.splitlines():
        if line.strip():
            yield f"{line.rstrip()} {progress}".rstrip()
