"""Over a slow line many keys come at once: each must reach the field it was meant for."""

from textual import events
from textual.widgets import Input

from tests.tui.drive import Driver
from tests.tui.scene import calm, fill, make_hub, scene
from tui.dialogs.run_form import RunForm
from tui.models import RunRequest
from tui.screens.main import MainScreen


async def send(request: RunRequest) -> str:
    return ""


async def test_fields_are_filled_as_they_were_typed() -> None:
    async with scene(make_hub()).run_test(size=(80, 40)) as pilot:
        await calm(pilot)
        driver = Driver(pilot.app, pilot)  # type: ignore[arg-type]  # the scene's own app
        form = RunForm("box:1", send)
        pilot.app.push_screen(form)
        await driver.until(lambda: pilot.app.focused, "a field")
        for word in ("web", "sh", "64m"):
            for letter in word:
                pilot.app.post_message(events.Key(letter, letter))
            pilot.app.post_message(events.Key("tab", None))
        values = ["#name", "#command", "#memory"]
        await driver.until(lambda: form.query_one("#memory", Input).value, "typed")
        await calm(pilot)
        assert [form.query_one(key, Input).value for key in values] == ["web", "sh", "64m"]


async def test_what_follows_a_filter_is_meant_for_the_list() -> None:
    hub = make_hub()
    async with scene(hub).run_test(size=(80, 24)) as pilot:
        await calm(pilot, lambda: fill(hub))
        driver = Driver(pilot.app, pilot)  # type: ignore[arg-type]  # the scene's own app
        keys = [("slash", "/"), *((letter, letter) for letter in "shop"), ("enter", None)]
        keys += [("space", " "), ("space", " "), ("slash", "/"), ("escape", None), ("j", "j")]
        for key, character in keys:
            pilot.app.post_message(events.Key(key, character))
        await driver.shows("2 marked", "crasher")
        screen = pilot.app.screen
        assert isinstance(screen, MainScreen)
        marked = {
            row.cells[1].text
            for row in screen.pane.table.rows
            if row.key in screen.pane.table.marks
        }
        assert marked == {"shop-db-1", "shop-web-1"}
        assert not screen.pane.filter


async def test_keys_that_wait_when_the_app_ends_go_with_it() -> None:
    app = scene(make_hub())
    async with app.run_test(size=(80, 24)) as pilot:
        await calm(pilot)
    assert not app.screen_stack
    app._early.append(events.Key("j", "j"))
    await app._next_early()
    await app.on_event(events.Key("k", "k"))
