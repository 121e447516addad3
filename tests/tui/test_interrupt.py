"""Ctrl-c ends the innermost thing that goes on, and quits only when there is nothing else."""

import asyncio

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.drive import Driver
from tests.tui.scene import calm, fill, make_hub, scene
from tui.informers import Hub
from tui.screens.main import MainScreen
from tui.widgets.prompt import Prompt


async def started(hub: Hub, pilot: Pilot[None]) -> Driver:
    await calm(pilot, lambda: fill(hub))
    return Driver(pilot.app, pilot)  # type: ignore[arg-type]  # the scene's own app


async def test_work_is_left_before_the_app_is() -> None:
    hub = make_hub()
    begun, ended = asyncio.Event(), asyncio.Event()

    async def stop(ref: str) -> bool:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return True

    hub.client.containers.stop = stop  # type: ignore[method-assign,assignment]
    async with scene(hub).run_test(size=(80, 24)) as pilot:
        driver = await started(hub, pilot)
        await driver.press("ctrl+t")
        await begun.wait()
        await driver.press("ctrl+c")
        await asyncio.wait_for(ended.wait(), 5)
        await driver.notified("may still finish")
        assert driver.app.is_running
        await driver.press("ctrl+c")
        await driver.until(lambda: not driver.app.is_running, "quits")


@pytest.mark.parametrize("key", ["L", "n"])
async def test_a_dialog_is_left_also_from_a_field(key: str) -> None:
    hub = make_hub()
    async with scene(hub, "images").run_test(size=(80, 24)) as pilot:
        driver = await started(hub, pilot)
        await driver.press(key)
        await driver.until(lambda: isinstance(driver.app.focused, Input), "a field")
        await driver.press("ctrl+c")
        await driver.until(lambda: isinstance(driver.app.screen, MainScreen), "left")
        assert driver.app.is_running


async def test_a_question_is_left_and_the_list_is_whole_again() -> None:
    hub = make_hub()
    async with scene(hub).run_test(size=(80, 24)) as pilot:
        driver = await started(hub, pilot)
        await driver.press("slash")
        await driver.write("burn")
        await driver.hides("crasher")
        await driver.press("ctrl+c")
        await driver.shows("crasher", "burner")
        assert driver.app.is_running
        assert not driver.app.screen.query_one("#question", Prompt).is_open
