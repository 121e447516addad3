"""Paths to handlers.

Names of images hold slashes and colons, and every path exists with and without a version, so the
table is matched here rather than by aiohttp's router.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from engine.dockerapi.call import Call

Handler = Callable[[Call], Awaitable[web.StreamResponse]]

_PARAMETER = re.compile(r"\{(\w+)(\.\.\.)?\}")


@dataclass(frozen=True, slots=True)
class Route:
    """`streams`: the handler lives as long as its client; others finish what they began."""

    pattern: re.Pattern[str]
    handler: Handler
    streams: bool


class Router:
    """Routes by method and first path segment; within these the first match wins."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], list[Route]] = {}

    def add(self, method: str, path: str, handler: Handler, *, streams: bool = False) -> None:
        """Serve `path`; `{id}` takes one segment and `{name...}` any number."""
        route = Route(_compile(path), handler, streams)
        self._routes.setdefault((method, _head(path)), []).append(route)

    def resolve(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        for route in self._routes.get((method, _head(path)), ()):
            match = route.pattern.fullmatch(path)
            if match is not None:
                return route, match.groupdict()
        return None


def _head(path: str) -> str:
    return path.split("/", 2)[1] if path.startswith("/") else ""


def _compile(path: str) -> re.Pattern[str]:
    pattern, end = "", 0
    for match in _PARAMETER.finditer(path):
        pattern += re.escape(path[end : match.start()])
        pattern += f"(?P<{match[1]}>{'.+' if match[2] else '[^/]+'})"
        end = match.end()
    return re.compile(pattern + re.escape(path[end:]), re.DOTALL)
