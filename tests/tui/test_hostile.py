"""Names, errors and answers made to break the screen: it shows them as they are and lives on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from textual.widgets import Input

from tests.tui.drive import Driver, driving
from tests.tui.scene import calm, fill, make_hub, scene
from tui.dialogs.confirm import Confirm
from tui.dialogs.load_file import LoadFile
from tui.dialogs.progress import Progress
from tui.dialogs.result import Results
from tui.models import ActionResult
from tui.screens.copying import copy

MARKUP = 'exec: "[/bin/x]" and [red]more[/red]'
ESCAPES = "a\x1b[2Jb\x07\udcff"
GOOD = {
    "/_ping": "OK",
    "/version": '{"Version": "1", "ApiVersion": "1.41"}',
    "/info": "{}",
    "/images/json": "[]",
    "/containers/json": '[{"Id": "a", "Names": ["/web"], "State": "running", "Status": "Up 2 s"}]',
    "/containers/a/json": '{"Id": "a", "Name": "/web", "State": {"Status": "running"}}',
    "/events": "",
}
ENDED = '{"Id": "a", "Name": "/web", "State": {"Status": "exited", "FinishedAt": 1e18}}'
NUMBERS = (
    '{"Id": "a", "Name": "/web", "State": {"Status": "running", "Pid": 1e999}, "RestartCount": NaN}'
)
BAD = {
    "a list of numbers": {"/containers/json": "[1, null, [2]]"},
    "figures beyond all counters": {"/containers/a/json": NUMBERS, "/info": '{"NCPU": 1e999}'},
    "a moment after the last year": {"/containers/a/json": ENDED},
    "images that are none": {"/images/json": '[null, 4, {"Id": null, "RepoTags": [null]}]'},
    "an event of the wrong kinds": {"/events": '{"Type": 4, "Actor": [1], "timeNano": 1e999}\n'},
    "digits that are no number": {"/version": '{"ApiVersion": "²³.²"}'},
}


async def test_a_notice_is_never_markup_and_acts_on_no_terminal() -> None:
    hub = make_hub()
    async with scene(hub).run_test(size=(100, 30), notifications=True) as pilot:
        await calm(pilot, lambda: fill(hub))
        driver = Driver(pilot.app, pilot)  # type: ignore[arg-type]  # the scene's own app
        pilot.app.notify(MARKUP + ESCAPES, title="[/x]")
        pilot.app.screen.query_one("Doing").notify("[/nothing] was opened")
        await driver.shows("[/bin/x]", "[red]more", "a␛[2Jb␇·", "[/nothing] was opened")


async def test_dialogs_show_hostile_titles_and_items_as_they_are() -> None:
    hub = make_hub()

    async def job() -> AsyncIterator[str]:
        yield "begun"
        await asyncio.Event().wait()

    async with scene(hub).run_test(size=(100, 30)) as pilot:
        driver = Driver(pilot.app, pilot)  # type: ignore[arg-type]
        pilot.app.push_screen(Progress("Load [/x].tar", job, errors=()))
        await driver.shows("Load [/x].tar", "begun")
        pilot.app.push_screen(Confirm("Remove", "Remove?", verb="Remove", items=[ESCAPES]))
        await driver.shows("a␛[2Jb␇·")
        await driver.press("escape")
        failed = ActionResult("removed", "web", False, MARKUP + ESCAPES, "docker rm web")
        pilot.app.push_screen(Results("Remove", [failed, failed]))
        await driver.shows("0 done, 2 failed", "[/bin/x]", "a␛[2Jb␇·")


@pytest.mark.parametrize("path", ["~nobody-of-this-name/x", "~", "x" * 5000, "/a\0b", "/root/[/x]"])
async def test_any_path_may_be_typed(path: str) -> None:
    async with scene(make_hub()).run_test(size=(80, 24)) as pilot:
        pilot.app.push_screen(LoadFile())
        await calm(pilot)
        pilot.app.screen.query_one("#path", Input).value = path
        await calm(pilot)
        await pilot.press("enter")
        await calm(pilot)
        assert isinstance(pilot.app.screen, LoadFile)


@pytest.mark.parametrize("case", BAD)
async def test_malformed_answers_do_not_end_the_app(case: str, tmp_path: Path) -> None:
    socket = tmp_path / "fake.sock"
    runner = await _serving(socket, GOOD | BAD[case])
    try:
        async with driving(socket, (100, 24)) as drive:
            await drive.press("enter")
            await drive.press("escape", "2", "4", "3")
            assert drive.app.hub.link.alive
            assert drive.app.is_running
    finally:
        await runner.cleanup()


async def _serving(socket: Path, answers: dict[str, str]) -> web.AppRunner:
    async def answer(request: web.Request) -> web.StreamResponse:
        path = request.path
        path = "/" + path.split("/", 2)[2] if path.startswith("/v1") else path
        if path not in answers:
            return web.json_response({"message": "page [/x] not found"}, status=404)
        if path != "/events":
            return web.Response(text=answers[path], content_type="application/json")
        stream = web.StreamResponse()
        await stream.prepare(request)
        await stream.write(answers[path].encode())
        await asyncio.Event().wait()
        return stream

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    return runner


@pytest.mark.parametrize(("length", "copied"), [(70_000, True), (80_000, False)])
async def test_only_what_terminals_take_is_said_to_be_copied(length: int, copied: bool) -> None:
    async with scene(make_hub()).run_test(size=(80, 24)) as pilot:
        await calm(pilot)
        driver = Driver(pilot.app, pilot)  # type: ignore[arg-type]
        copy(pilot.app.screen, "\udcff" + "x" * length, "The whole page")
        await driver.notified("Copied" if copied else "Not copied")
        assert bool(pilot.app.clipboard) is copied
