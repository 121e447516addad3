"""The only place that speaks HTTP, and the only one that knows its keys."""

from tui.clients.berth import Sweep
from tui.clients.client import Client
from tui.clients.docker import Created, ExecState
from tui.clients.duplex import Duplex
from tui.clients.endpoint import Endpoint, default_endpoint, run_dir
from tui.clients.errors import (
    BadRequest,
    ClientError,
    Conflict,
    NotFound,
    NotSupported,
    ServerFault,
    Unreachable,
)

__all__ = [
    "BadRequest",
    "Client",
    "ClientError",
    "Conflict",
    "Created",
    "Duplex",
    "Endpoint",
    "ExecState",
    "NotFound",
    "NotSupported",
    "ServerFault",
    "Sweep",
    "Unreachable",
    "default_endpoint",
    "run_dir",
]
