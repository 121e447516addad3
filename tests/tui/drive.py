"""Drives the real app by keys and reads its screen."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from textual.pilot import Pilot

from tui.app import BerthApp
from tui.clients import Client, Endpoint
from tui.informers import Hub
from tui.models import Container
from tui.screens.main import MainScreen
from tui.widgets.table import ResourceTable

IMAGE = "box:1"
SECONDS = 15.0
T = TypeVar("T")


class Driver:
    """One running app."""

    def __init__(self, app: BerthApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def hub(self) -> Hub:
        return self.app.hub

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def write(self, text: str) -> None:
        """Type text into the field that has the focus."""
        names = {" ": "space", "-": "minus", ".": "full_stop", "=": "equals_sign", "/": "slash"}
        names |= {"!": "exclamation_mark", ":": "colon", "_": "underscore", "'": "apostrophe"}
        await self.press(*(names.get(char, char) for char in text))

    async def until(self, probe: Callable[[], T], what: str = "", seconds: float = SECONDS) -> T:
        """The first truthy answer of the probe; fails with the screen at the deadline."""
        try:
            async with asyncio.timeout(seconds):
                while not (answer := probe()):
                    await self.pilot.pause(0.02)
        except TimeoutError:
            pytest.fail(f"not within {seconds} s: {what or probe}; the screen:\n{self.text()}")
        return answer

    def text(self) -> str:
        """What the screen shows."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    async def shows(self, *words: str) -> None:
        """Wait until all of the words stand on the screen."""
        await self.until(lambda: all(word in self.text() for word in words), f"shows {words}")

    async def hides(self, word: str) -> None:
        """Wait until the word has gone from the screen."""
        await self.until(lambda: word not in self.text(), f"hides {word}")

    def container(self, name: str) -> Container | None:
        """As the app knows it."""
        found = [item for item in self.hub.containers.items.values() if item.name == name]
        return found[0] if found else None

    async def select(self, name: str) -> Container:
        """Put the cursor on a container, by keys."""
        found = await self.until(lambda: self.container(name), f"knows {name}")
        assert isinstance(self.app.screen, MainScreen)
        table = self.app.screen.pane.table
        await self.until(lambda: any(row.key == found.id for row in table.rows), f"lists {name}")
        await self.press("g")
        await self.press(*["j"] * [row.key for row in table.rows].index(found.id))
        await self.until(lambda: table.cursor_key == found.id or table.move_to(found.id), name)
        return found

    async def notified(self, word: str) -> None:
        """Wait for a notice with this word."""

        def said() -> bool:
            notices = self.app._notifications
            return any(word in f"{note.title} {note.message}" for note in notices)

        await self.until(said, f"says {word}")

    def table(self) -> ResourceTable:
        """The list of the pane in front."""
        assert isinstance(self.app.screen, MainScreen)
        return self.app.screen.pane.table


@asynccontextmanager
async def driving(
    socket: Path, size: tuple[int, int], *, connected: bool = True, start: str = "containers"
) -> AsyncIterator[Driver]:
    """The app on an engine's socket, in a terminal of that size."""
    app = BerthApp(Hub(Client(Endpoint(path=str(socket)))), start=start)
    async with app.run_test(size=size) as pilot:
        driver = Driver(app, pilot)
        if connected:
            await driver.until(lambda: app.hub.link.alive, "connected")
            await pilot.pause()
        yield driver
