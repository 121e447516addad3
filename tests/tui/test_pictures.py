"""Pictures of the states that matter, at 80×24 and 160×50, from fixed data and a frozen clock."""

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui import scene as stage
from tui.dialogs.run_form import RunForm
from tui.screens.base import BerthScreen

SIZES = pytest.mark.parametrize("size", [(80, 24), (160, 50)], ids=["80x24", "160x50"])
Compare = Callable[..., bool]

VIEWS: dict[str, tuple[str, ...]] = {
    "containers": ("j", "j"),
    "images": ("2",),
    "metrics": ("3",),
    "node": ("4", "j"),
    "overview": ("j", "j", "enter"),
    "logs": ("j", "j", "l", "t"),
    "inspect": ("i",),
    "raw": ("i", "y"),
    "help": ("question_mark",),
    "palette": ("colon",),
    "marked": ("space", "space"),
    "filter": ("slash", "s", "h", "o", "p"),
    "no_match": ("slash", "q", "q", "q", "enter"),
    "remove": ("delete",),
    "remove_many": ("space", "space", "delete"),
}


@SIZES
@pytest.mark.parametrize("view", VIEWS)
def test_view(snap_compare: Compare, view: str, size: tuple[int, int]) -> None:
    hub = stage.make_hub()

    async def prepare(pilot: Pilot[Any]) -> None:
        await stage.calm(pilot, lambda: stage.fill(hub))
        for key in VIEWS[view]:
            await pilot.press(key)
        await stage.calm(pilot)

    assert snap_compare(stage.scene(hub), run_before=prepare, terminal_size=size)


def _down(reason: str) -> Callable[[Any], None]:
    return lambda hub: hub.link.down(reason)


def _empty(hub: Any) -> None:
    hub.link.up(stage.INFO)


def _stale(hub: Any) -> None:
    stage.fill(hub)
    hub.link.down("no answer in time from unix:///run/berth/berth.sock")
    hub.link.since = stage.NOW - 42


STATES: dict[str, Callable[[Any], None]] = {
    "connecting": lambda hub: None,
    "first_run": _empty,
    "not_running": _down(f"no engine at {stage.SOCKET}: no such file or directory"),
    "not_allowed": _down(f"no engine at {stage.SOCKET}: permission denied"),
    "no_answer": _down(f"no answer in time from {stage.SOCKET}"),
    "stale": _stale,
}


@SIZES
@pytest.mark.parametrize("state", STATES)
def test_state(snap_compare: Compare, state: str, size: tuple[int, int]) -> None:
    hub = stage.make_hub()

    def show_time(pilot: Pilot[Any]) -> None:
        assert isinstance(pilot.app.screen, BerthScreen)
        pilot.app.screen.show_header()

    async def prepare(pilot: Pilot[Any]) -> None:
        await stage.calm(pilot, lambda: STATES[state](hub), lambda: show_time(pilot))

    assert snap_compare(stage.scene(hub), run_before=prepare, terminal_size=size)


@SIZES
@pytest.mark.parametrize("kind", ["fresh", "wrong", "refused"])
def test_run_form(snap_compare: Compare, kind: str, size: tuple[int, int]) -> None:
    hub = stage.make_hub()

    async def send(request: object) -> str:
        return 'Conflict. The container name "/web" is already in use.'

    async def prepare(pilot: Pilot[Any]) -> None:
        await stage.calm(pilot, lambda: stage.fill(hub))
        await pilot.app.push_screen(RunForm("host:latest", send))
        keys = {
            "wrong": ("tab", "tab", "l", "o", "t", "s", "tab"),
            "refused": ("w", "e", "b", "enter"),
        }
        await pilot.press(*keys.get(kind, ()))
        await stage.calm(pilot)

    assert snap_compare(stage.scene(hub), run_before=prepare, terminal_size=size)


def test_daylight(snap_compare: Compare) -> None:
    hub = stage.make_hub()

    async def prepare(pilot: Pilot[Any]) -> None:
        await stage.calm(pilot, lambda: stage.fill(hub))
        await pilot.press("j", "ctrl+l")
        await stage.calm(pilot)

    assert snap_compare(stage.scene(hub), run_before=prepare, terminal_size=(160, 50))
