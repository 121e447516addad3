"""Over a slow line many keys come at once: each must reach the field it was meant for."""

from textual import events
from textual.widgets import Input

from tests.tui.drive import Driver
from tests.tui.scene import calm, make_hub, scene
from tui.dialogs.run_form import RunForm
from tui.models import RunRequest


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
