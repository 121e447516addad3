"""What goes back: JSON bodies, empty bodies, and streams of JSON lines."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from engine.dockerapi import versions

JSON = "application/json"

# Every reply has these; clients negotiate the version from them.
HEADERS: Mapping[str, str] = {
    "Api-Version": str(versions.MAXIMUM),
    "Docker-Experimental": "false",
    "Ostype": "linux",
    "Server": f"berth/{versions.ENGINE} (linux)",
}


def encode(document: Any) -> bytes:
    """One JSON document and a newline, as short as it can be.

    A file name or an argument that is no UTF-8 is shown with question marks: it must not hide
    everything else in the same list.
    """
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace") + b"\n"


def reply(document: Any, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return web.Response(body=encode(document), status=status, headers=HEADERS, content_type=JSON)


def empty(status: HTTPStatus = HTTPStatus.NO_CONTENT) -> web.Response:
    return web.Response(status=status, headers=HEADERS)


class JsonLines:
    """A reply of JSON documents, one a line, whose headers leave at once."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self.response = web.StreamResponse(headers=HEADERS)
        self.response.content_type = JSON

    async def open(self) -> None:
        await self.response.prepare(self._request)

    async def send(self, document: Any) -> None:
        await self.response.write(encode(document))

    async def fail(self, message: str) -> None:
        """Say in-band what went wrong: the status has left long ago."""
        await self.send({"errorDetail": {"message": message}, "error": message})
