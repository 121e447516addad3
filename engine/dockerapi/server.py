"""The HTTP server: one request in, one reply out, and nothing a handler raises gets past it."""

import asyncio
import logging
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Any

from aiohttp import web

from engine.dockerapi import versions
from engine.dockerapi.call import Call
from engine.dockerapi.errors import PageNotFound, error_reply, status_of
from engine.dockerapi.router import Route, Router
from engine.errors import EngineError

_log = logging.getLogger(__name__)

# A verb that is still running when the engine stops gets this long to end by itself.
GRACE_SECONDS = 5.0


class _Protocol(web.RequestHandler):
    """Says bad HTTP in the words of the API: every error body is a JSON message."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if isinstance(exc, ConnectionError):
            raise exc  # nobody to answer, or an answer begun that cannot be ended
        _log.debug("refused a malformed request: %s", message or exc)
        response = error_reply(HTTPStatus(status), " ".join((message or str(exc)).split()))
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, loop=asyncio.get_running_loop(), **self._kwargs)


class ApiServer:
    """Serves a router. Handlers that stream end with their client; others end by themselves."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._jobs: set[asyncio.Future[web.StreamResponse]] = set()
        self._streams: set[asyncio.Task[Any]] = set()

    def runner(self) -> web.ServerRunner:
        """A runner for any number of sites; must be made inside the loop."""
        server = _Server(
            self._handle, handler_cancellation=True, access_log=None, keepalive_timeout=600
        )
        return web.ServerRunner(server, shutdown_timeout=1.0)

    async def close(self) -> None:
        """End every stream at once and every verb after a grace."""
        for stream in self._streams:
            stream.cancel()
        if self._jobs:
            _, late = await asyncio.wait(self._jobs, timeout=GRACE_SECONDS)
            for job in late:
                job.cancel()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            route, call = self._resolve(request)
            response = await self._run(route, call)
        except EngineError as error:
            response = self._refusal(request, status_of(error), str(error))
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 - the edge: logged with its cause, answered
            _log.exception("%s %s failed", request.method, request.path)
            response = self._refusal(
                request, HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}"
            )
        return response

    def _resolve(self, request: web.BaseRequest) -> tuple[Route, Call]:
        version, path = versions.split(request.path)
        found = self._router.resolve(request.method, path)
        if found is None:
            raise PageNotFound
        route, args = found
        return route, Call(request, version, args)

    async def _run(self, route: Route, call: Call) -> web.StreamResponse:
        if route.streams:
            return await self._stream(route.handler(call))
        if call.request.method in {"GET", "HEAD"}:
            return await route.handler(call)
        return await self._finish(route.handler(call))

    async def _stream(self, work: Awaitable[web.StreamResponse]) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        try:
            response = await work
        finally:
            self._streams.discard(task)
        return response

    async def _finish(self, work: Awaitable[web.StreamResponse]) -> web.StreamResponse:
        """Run a verb to its end even if the client leaves: half a removal helps nobody."""
        job = asyncio.ensure_future(work)
        self._jobs.add(job)
        job.add_done_callback(self._ended)
        return await asyncio.shield(job)

    def _ended(self, job: "asyncio.Future[web.StreamResponse]") -> None:
        self._jobs.discard(job)
        if not job.cancelled() and (error := job.exception()) is not None:
            _log.debug("a request ended with %s: %s", type(error).__name__, error)

    def _refusal(
        self, request: web.BaseRequest, status: HTTPStatus, message: str
    ) -> web.StreamResponse:
        if request.writer.output_size:
            _log.warning("%s %s broke off: %s", request.method, request.path, message)
            raise ConnectionResetError(message)
        response = error_reply(status, message)
        if not request.content.is_eof():
            response.force_close()
        return response
