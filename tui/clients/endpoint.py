"""Where an engine listens: the forms of ``DOCKER_HOST``, and berth's own default."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

SOCKET_NAME = "berth.sock"
DEFAULT_RUN_DIR = "/run/berth"
DEFAULT_TCP_PORT = 2375


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A unix socket's ``path``, or a TCP ``host`` and ``port``."""

    path: str = ""
    host: str = ""
    port: int = 0

    @property
    def local(self) -> bool:
        """Whether the engine is on this machine, so that host figures here are its own."""
        return bool(self.path)

    @property
    def base(self) -> str:
        """The URL prefix of requests; a unix socket has a name only for the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return "http://localhost" if self.path else f"http://{host}:{self.port}"

    def __str__(self) -> str:
        return f"unix://{self.path}" if self.path else self.base.replace("http", "tcp", 1)

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """Reads a ``DOCKER_HOST`` value.

        Raises:
            ValueError: for a form that cannot be used, saying which are.
        """
        scheme, separator, rest = text.strip().partition("://")
        if separator and scheme == "unix" and rest.startswith("/"):
            return cls(path=rest)
        if separator and scheme in ("tcp", "http") and rest:
            return cls._tcp(text.strip())
        raise ValueError(
            f"cannot use engine address {text!r}; use unix:///path/to.sock or tcp://host:port"
        )

    @classmethod
    def _tcp(cls, text: str) -> "Endpoint":
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "127.0.0.1", parts.port or DEFAULT_TCP_PORT
        except ValueError as error:
            raise ValueError(f"cannot use engine address {text!r}: {error}") from None
        return cls(host=host, port=port)


def run_dir(environ: Mapping[str, str]) -> Path:
    """Where berth's engine keeps its socket: ``BERTH_RUN_DIR``, else root's or the user's."""
    given = environ.get("BERTH_RUN_DIR")
    if given:
        return Path(given).absolute()
    if os.geteuid() == 0:
        return Path(DEFAULT_RUN_DIR)
    return Path(environ.get("XDG_RUNTIME_DIR") or _runtime_dir()) / "berth"


def _runtime_dir() -> str:
    """Where the engine looks when nobody says: a login's directory, else one of the user's.

    Raises:
        ValueError: somebody else made that one, who could pass for the engine there.
    """
    logged_in = f"/run/user/{os.geteuid()}"
    if os.access(logged_in, os.W_OK):
        return logged_in
    own = Path(f"/tmp/berth-{os.geteuid()}")
    if own.exists() and own.lstat().st_uid != os.geteuid():
        raise ValueError(f"{own} belongs to somebody else: set XDG_RUNTIME_DIR or BERTH_RUN_DIR")
    return str(own)


def default_endpoint(environ: Mapping[str, str]) -> Endpoint:
    """``DOCKER_HOST`` when set, else the berth engine's own socket.

    Raises:
        ValueError: when ``DOCKER_HOST`` has a form that cannot be used, or the default is not safe.
    """
    given = environ.get("DOCKER_HOST", "").strip()
    if given:
        return Endpoint.parse(given)
    return Endpoint(path=str(run_dir(environ) / SOCKET_NAME))
