"""The client's error tree, and the one table from HTTP status to it."""


class ClientError(Exception):
    """Base of everything a client raises; ``str()`` is fit to show to a person."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Unreachable(ClientError):
    """Nothing answered, or the link was lost half way."""


class BadRequest(ClientError):
    """The request can never work as it was written."""


class NotFound(ClientError):
    """The named thing does not exist, or this engine does not know the call."""


class Conflict(ClientError):
    """The thing's state or its users forbid the request."""


class NotSupported(ClientError):
    """This engine, as it is built or set up, cannot do it."""


class ServerFault(ClientError):
    """The engine failed, or answered something that is no answer."""


_BY_STATUS: dict[int, type[ClientError]] = {
    400: BadRequest,
    401: BadRequest,
    403: Conflict,
    404: NotFound,
    405: NotSupported,
    406: Conflict,
    409: Conflict,
    500: ServerFault,
    501: NotSupported,
    503: ServerFault,
}


def from_status(status: int, message: str) -> ClientError:
    """The error for an HTTP status; an unlisted 4xx is our mistake, all else the engine's."""
    kind = _BY_STATUS.get(status, BadRequest if 400 <= status < 500 else ServerFault)
    return kind(message or f"the engine answered with status {status}", status)
