"""What a person is told: while the engine works, at the end, and when it was left."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from tests.tui.drive import Driver
from tests.tui.scene import calm, fill, make_hub, scene
from tui.clients import ClientError
from tui.dialogs.progress import Progress
from tui.informers import Hub
from tui.models import RunRequest
from tui.screens import verbs
from tui.screens.container import ContainerScreen
from tui.screens.main import MainScreen


@asynccontextmanager
async def opened(hub: Hub, start: str = "containers", columns: int = 80) -> AsyncIterator[Driver]:
    async with scene(hub, start).run_test(size=(columns, 24)) as pilot:
        await calm(pilot, lambda: fill(hub))
        yield Driver(pilot.app, pilot)  # type: ignore[arg-type]  # the scene's own app


class Slow:
    """A verb of the engine that answers when it is let."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.let = asyncio.Event()

    async def __call__(self, ref: str, **_: object) -> bool:
        self.called.append(ref)
        await self.let.wait()
        return True


class Lines:
    """A long job of the engine: says its lines, then ends, or goes on until it is left."""

    def __init__(self, *lines: str, ends: bool = True) -> None:
        self.lines, self.ends = lines, ends
        self.left = asyncio.Event()

    async def __call__(self, *_: object) -> AsyncGenerator[str, None]:
        try:
            for line in self.lines:
                yield line
            if not self.ends:
                await asyncio.Event().wait()
        finally:
            self.left.set()


async def test_a_stop_that_takes_its_time_is_told_and_not_asked_twice() -> None:
    hub = make_hub()
    hub.client.containers.stop = slow = Slow()  # type: ignore[method-assign,assignment]
    async with opened(hub) as driver:
        held = await driver.select("burner")
        await driver.press("ctrl+t")
        await driver.shows("Stopping …")
        await driver.press("ctrl+t", "r")
        await driver.notified("burner is still stopping; ^k kills it at once")
        assert slow.called == [held.id]
        slow.let.set()
        await driver.notified("Stopped burner")
        await driver.hides("Stopping …")


async def test_what_was_begun_on_a_screen_goes_on_and_is_told_after_it() -> None:
    hub = make_hub()
    hub.client.containers.restart = slow = Slow()  # type: ignore[method-assign,assignment]
    async with opened(hub) as driver:
        await driver.select("burner")
        await driver.press("enter")
        await driver.until(lambda: isinstance(driver.app.screen, ContainerScreen), "opens")
        await driver.press("r")
        await driver.shows("Restarting …")
        await driver.press("escape")
        await driver.until(lambda: isinstance(driver.app.screen, MainScreen), "is back")
        await driver.shows("Restarting …")
        slow.let.set()
        await driver.notified("Restarted burner")


async def test_the_first_capital_of_a_notice_is_never_a_name() -> None:
    async with opened(make_hub()) as driver:
        await driver.select("crasher")
        await driver.press("s")
        await driver.notified("crasher is not running: start it first")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["burner"], "burner is running and will be killed first. Its log"),
        (["burner", "crasher"], "1 of them is running and will be killed first. Their logs"),
        (["burner", "frozen", "crasher"], "2 of them are running and will be killed first. Their"),
        (["crasher"], "Its log and everything written inside it are lost."),
    ],
)
async def test_what_a_removal_costs(names: Sequence[str], words: str) -> None:
    async with opened(make_hub(), columns=160) as driver:
        for name in names:
            await driver.select(name)
            if len(names) > 1:
                await driver.press("space")
        await driver.press("delete")
        await driver.until(
            lambda: words in " ".join(driver.text().replace("│", " ").split()), "tells what is lost"
        )


async def test_what_works_on_one_takes_the_selected_one_whatever_is_marked() -> None:
    async with opened(make_hub()) as driver:
        await driver.select("burner")
        await driver.press("space")
        held = await driver.select("frozen")
        await driver.press("c")
        assert driver.app.clipboard == held.id
        await driver.press("e")
        await driver.shows("New name of frozen")


# -- images ---------------------------------------------------------------------------------


async def test_an_import_says_what_came_of_it() -> None:
    hub = make_hub()
    digest = "sha256:" + "ab" * 32
    hub.client.berth.from_host = Lines("sh: /bin/sh", digest)  # type: ignore[method-assign,assignment]
    async with opened(hub, "images") as driver:
        await driver.press("H", "enter")
        await driver.notified("Imported host:latest")
        assert not any("sha256" in note.message for note in driver.app._notifications)


async def test_a_cancelled_import_says_so_and_leaves_the_engine() -> None:
    hub = make_hub()
    job = Lines("sh: /bin/sh", ends=False)
    hub.client.berth.from_host = job  # type: ignore[method-assign,assignment]
    async with opened(hub, "images") as driver:
        await driver.press("H", "enter")
        await driver.shows("sh: /bin/sh")
        await driver.press("escape")
        await driver.notified("Import cancelled")
        await asyncio.wait_for(job.left.wait(), 5)


async def test_a_failed_import_is_closed_without_another_word() -> None:
    hub = make_hub()

    async def fails(*_: object) -> AsyncGenerator[str, None]:
        raise ClientError("no such program: nothing")
        yield ""

    hub.client.berth.from_host = fails  # type: ignore[method-assign,assignment]
    async with opened(hub, "images") as driver:
        await driver.press("H", "enter")
        await driver.shows("no such program", "Close", "esc closes")
        await driver.press("escape")
        await driver.until(lambda: not isinstance(driver.app.screen, Progress), "closed")
        assert not driver.app._notifications


async def test_a_tag_is_checked_as_it_is_typed_and_told_at_the_end() -> None:
    hub = make_hub()
    asked: list[tuple[str, ...]] = []

    async def tag(*words: str) -> None:
        asked.append(words)

    hub.client.images.tag = tag  # type: ignore[method-assign,assignment]
    async with opened(hub, "images") as driver:
        await driver.press("j", "t")
        await driver.write("Bad")
        await driver.press("enter")
        await driver.shows("not an image name: 'Bad'")
        assert not asked
        await driver.press("ctrl+u")
        await driver.write("other:2")
        await driver.press("enter")
        await driver.notified("Tagged host:latest as other:2")
        assert asked == [("host:latest", "other", "2")]


async def test_a_run_without_a_name_tells_the_one_the_engine_chose() -> None:
    hub = make_hub()
    fill(hub)
    held = next(item for item in hub.containers.items.values() if item.name == "burner")

    class Created:
        id = held.id
        warnings = ()

    async def run(request: RunRequest) -> Created:
        return Created()

    hub.client.containers.run = run  # type: ignore[method-assign,assignment]
    result = await verbs.run(hub.client, RunRequest("host:latest"))
    assert (result.target, result.message) == ("burner", "started")
