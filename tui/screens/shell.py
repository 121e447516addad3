"""Shell and attach: the TUI steps aside, the process has the terminal, the TUI comes back."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable
from dataclasses import dataclass

from textual.widget import Widget

from tui.clients import ClientError
from tui.informers import Hub
from tui.models import Container
from tui.screens.terminal import CTRL_C, CTRL_P_CTRL_Q, Line, Resize, Session

# bash where there is one, in the same exec; else what the image has.
SHELLS: tuple[tuple[str, ...], ...] = (
    ("sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash || exec sh"),
    ("bash",),
    ("busybox", "sh"),
)
PROBE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Opened:
    """A connected process: its line, and how to tell it the terminal's size."""

    line: Line
    resize: Resize
    title: str
    terminal: bool = True
    detach: bytes = b""


async def shell(owner: Widget, hub: Hub, held: Container) -> None:
    """An interactive shell in a running container."""
    try:
        command = await _find(hub, held)
        if command is None:
            owner.app.notify(
                f"{held.image} holds no sh, bash or busybox. Look at its log (l) or its "
                "processes instead.",
                title=f"No shell in {held.name}",
                severity="warning",
                timeout=8,
            )
            return
        term = os.environ.get("TERM", "xterm-256color")
        execs = hub.client.execs
        exec_id = await execs.create(held.id, command, tty=True, env=(f"TERM={term}",))
        line = await execs.start(exec_id, tty=True)
    except ClientError as error:
        _failed(owner, held, error)
        return

    async def resize(height: int, width: int) -> None:
        await _quietly(execs.resize(exec_id, height, width))

    await _hand_over(owner, Opened(line, resize, f"shell in {held.name}; exit comes back"))


async def attach(owner: Widget, hub: Hub, held: Container) -> None:
    """The container's own process; leaving it does not stop it."""
    try:
        line = await hub.client.containers.attach(held.id, tty=held.tty)
    except ClientError as error:
        _failed(owner, held, error)
        return

    async def resize(height: int, width: int) -> None:
        if held.tty:
            await _quietly(hub.client.containers.resize(held.id, height, width))

    detach, keys = (CTRL_P_CTRL_Q, "ctrl-p ctrl-q") if held.tty else (CTRL_C, "ctrl-c")
    title = f"attached to {held.name}; {keys} comes back, it goes on"
    await _hand_over(owner, Opened(line, resize, title, held.tty, detach))


async def _find(hub: Hub, held: Container) -> tuple[str, ...] | None:
    """The first shell that runs there, tried without a terminal so that nothing flickers."""
    for command in SHELLS:
        probe = [*command[:1], "-c", ":"] if command[0] != "busybox" else [*command, "-c", ":"]
        if await _works(hub, held, probe):
            return command
    return None


async def _works(hub: Hub, held: Container, command: list[str]) -> bool:
    execs = hub.client.execs
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            exec_id = await execs.create(held.id, command, tty=False)
            line = await execs.start(exec_id, tty=False)
            while await line.read() is not None:
                pass
            await line.close()
            return (await execs.inspect(exec_id)).exit_code == 0
    except (ClientError, TimeoutError):
        return False


async def _hand_over(owner: Widget, opened: Opened) -> None:
    """Nothing of the TUI is drawn while the process has the terminal."""
    app = owner.app
    with app.batch_update(), app.suspend():
        banner = f"\x1b[2J\x1b[H\x1b[7m ⚓ berth: {opened.title} \x1b[0m\r\n"
        os.write(sys.__stdout__.fileno() if sys.__stdout__ else 1, banner.encode())
        session = Session(
            opened.line, opened.resize, terminal=opened.terminal, detach=opened.detach
        )
        await session.run()
    app.refresh(layout=True)


async def _quietly(work: Awaitable[object]) -> None:
    with contextlib.suppress(ClientError):  # it ended meanwhile: nothing is left to resize
        await work


def _failed(owner: Widget, held: Container, error: ClientError) -> None:
    owner.app.notify(str(error), title=held.name, severity="error", timeout=10)
