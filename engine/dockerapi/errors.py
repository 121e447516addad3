"""The one table from the engine's errors to HTTP statuses, and the body every error has."""

from http import HTTPStatus

from aiohttp import web

from engine import errors
from engine.dockerapi.replies import reply


class PageNotFound(errors.NotFound):
    """No route has this path and method."""

    def __init__(self) -> None:
        super().__init__("page not found")


STATUS: dict[type[errors.EngineError], HTTPStatus] = {
    errors.InvalidArgument: HTTPStatus.BAD_REQUEST,
    errors.DigestMismatch: HTTPStatus.BAD_REQUEST,
    errors.UnsafeArchive: HTTPStatus.BAD_REQUEST,
    # The client tells 127 from 126 by the message, and reads it only from a 4xx.
    errors.CommandNotFound: HTTPStatus.BAD_REQUEST,
    errors.CommandNotExecutable: HTTPStatus.BAD_REQUEST,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    PageNotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.NotRunning: HTTPStatus.CONFLICT,
    errors.AlreadyInUse: HTTPStatus.CONFLICT,
    errors.RuntimeFailure: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.MonitorLost: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.Unsupported: HTTPStatus.NOT_IMPLEMENTED,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


def status_of(error: errors.EngineError) -> HTTPStatus:
    """The status of an error's nearest listed class."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def error_reply(status: HTTPStatus, message: str) -> web.Response:
    return reply({"message": message}, status)
