"""``/exec`` of the Docker Engine API: another process in a running container."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tui.clients.docker.containers import path_of
from tui.clients.docker.values import number, text
from tui.clients.duplex import Duplex, upgrade
from tui.clients.transport import Transport


@dataclass(frozen=True, slots=True)
class ExecState:
    """``exit_code`` is None while it runs."""

    running: bool
    exit_code: int | None
    pid: int


def _path(exec_id: str, verb: str) -> str:
    return f"/exec/{quote(exec_id, safe='')}/{verb}"


class Execs:
    """Create, then start: the start is the connection."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self,
        ref: str,
        command: Sequence[str],
        *,
        tty: bool = True,
        env: Sequence[str] = (),
        user: str = "",
        working_dir: str = "",
    ) -> str:
        """The exec's id.

        Raises:
            Conflict: when the container is not running, or paused.
        """
        body: dict[str, Any] = {
            "Cmd": list(command),
            "Tty": tty,
            "Env": list(env),
            "User": user,
            "WorkingDir": working_dir,
        }
        body |= dict.fromkeys(("AttachStdin", "AttachStdout", "AttachStderr"), True)
        data = await self._transport.json("POST", path_of(ref, "exec"), body=body)
        return text(data, "Id")

    async def start(self, exec_id: str, *, tty: bool = True) -> Duplex:
        """Starts it and connects to its input and output."""
        path = self._transport.prefix + _path(exec_id, "start")
        body = {"Detach": False, "Tty": tty}
        return await upgrade(self._transport.endpoint, path, body=body, tty=tty)

    async def resize(self, exec_id: str, height: int, width: int) -> None:
        """Sets its terminal's size in cells."""
        size = {"h": str(height), "w": str(width)}
        await self._transport.request("POST", _path(exec_id, "resize"), params=size)

    async def inspect(self, exec_id: str) -> ExecState:
        """Whether it runs, and how it ended."""
        data = await self._transport.json("GET", _path(exec_id, "json"))
        code = data.get("ExitCode")
        running = bool(data.get("Running"))
        return ExecState(
            running, None if running or code is None else int(code), number(data, "Pid")
        )
