"""The action list: no key does two things, every action is done somewhere, help is live."""

from itertools import combinations
from pathlib import Path

import pytest

from tests.tui.drive import driving
from tui import actions
from tui.clients import Client, Endpoint
from tui.informers import Hub
from tui.models import Container, ContainerState, EngineInfo
from tui.models.parse import split_reference
from tui.screens import filters
from tui.screens.containers_pane import ContainersPane
from tui.screens.doing import Doing
from tui.screens.images_pane import ImagesPane
from tui.screens.metrics_pane import MetricsPane
from tui.screens.node_pane import NodePane
from tui.screens.terminal import CTRL_C, CTRL_P_CTRL_Q, DetachFilter
from tui.screens.verbs import short_ids


def test_no_key_does_two_things_in_one_place() -> None:
    for one, two in combinations(actions.ACTIONS, 2):
        shared = set(actions.raw_keys(one, {})) & set(actions.raw_keys(two, {}))
        assert not (shared and set(one.scopes) & set(two.scopes)), (one.id, two.id, shared)


@pytest.mark.parametrize("pane", [ContainersPane, ImagesPane, MetricsPane, NodePane])
def test_no_sort_letter_is_taken_by_an_action(pane: type[ContainersPane]) -> None:
    letters = [column.sort for column in pane.columns if column.sort]
    assert len(letters) == len(set(letters))
    taken = {
        key for action in actions.in_scopes([pane.scope]) for key in actions.raw_keys(action, {})
    }
    assert not taken & set(letters)


def test_dangerous_actions_have_no_plain_letter() -> None:
    for action in actions.ACTIONS:
        if action.danger:
            assert all(len(key) > 1 for key in actions.raw_keys(action, {})), action.id
        assert "ctrl+z" not in action.keys
        assert "ctrl+c" not in action.keys


def test_a_nearer_scope_takes_a_key() -> None:
    live = {action.id: keys for action, keys in actions.live(["logs", "container", "app"], {})}
    assert live["text.copy"] == ["c"]
    assert "container.copy" not in live
    moved = actions.live(["logs", "container", "app"], {"text.copy": "C"})
    assert {action.id: keys for action, keys in moved}["container.copy"] == ["c"]


async def test_rebound_keys_work_and_stand_in_footer_and_help(tmp_path: Path) -> None:
    from tui.app import BerthApp

    hub = Hub(Client(Endpoint(path=str(tmp_path / "none.sock"))))
    app = BerthApp(hub, overrides={"app.help": "f1", "container.logs": "z"}, run_hub=False)
    async with app.run_test(size=(120, 40)) as pilot:
        hub.containers.replace([Container("1" * 64, "web", "box:1", ContainerState.RUNNING)])
        hub.link.up(EngineInfo("docker", "1", "1.41", "unix:///x", True))
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
        footer = strips[-1].text
        assert "z logs" in footer
        assert "f1 help" in footer
        await pilot.press("f1")
        await pilot.pause()
        text = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
        assert "Keys that work here" in text
        assert " z  Logs" in text


async def test_palette_finds_and_does_an_action(tmp_path: Path) -> None:
    async with driving(tmp_path / "none.sock", (100, 30), connected=False) as drive:
        await drive.press("colon")
        await drive.write("metrics")
        await drive.press("enter")
        await drive.until(lambda: drive.app.screen.query("#pane-metrics"), "the metrics pane")


def test_every_container_and_image_action_is_done_somewhere() -> None:
    class Nowhere:
        hub = Hub(Client(Endpoint(path="/nowhere")))

        def containers(self) -> list[Container]:
            return []

        def images(self) -> list[object]:
            return []

        def subject(self) -> actions.Subject:
            return actions.Subject()

        def clear_marks(self) -> None:
            return None

    done = set(Doing(Nowhere()).table)  # type: ignore[arg-type]
    here = {"container.open", "container.logs", "container.inspect", "container.all"}
    here |= {"image.inspect"}
    wanted = {a.id for a in actions.ACTIONS if a.id.startswith(("container.", "image."))}
    assert wanted == (done | here) & wanted


@pytest.mark.parametrize(
    ("text", "hit"),
    [("we", True), ("WE", False), ("!we", False), ("!db", True), ("-l tier=web", True),
     ("-l tier", True), ("-l tier=db", False), ("-f wb", True), ("-f bw", False), ("w[", False),
     ("w.b", True), ("", True)],
)  # fmt: skip
def test_filter_language(text: str, hit: bool) -> None:
    assert filters.parse(text).matches("web busybox", {"tier": "web"}) is hit


@pytest.mark.parametrize("text", ["!", "-l", "-f"])
def test_unfinished_filters_hide_nothing_and_say_what_is_missing(text: str) -> None:
    found = filters.parse(text)
    assert found.matches("anything", {})
    assert "write" in found.problem


def test_small_helpers() -> None:
    assert split_reference("shop/web:2") == ("shop/web", "2")
    assert split_reference("host:5000/web") == ("host:5000/web", "latest")
    assert short_ids("no such container: " + "ab" * 32) == "no such container: abababababab"


def test_detach_is_found_also_in_two_pieces() -> None:
    detach = DetachFilter(CTRL_P_CTRL_Q)
    assert detach.feed(b"abc") == (b"abc", False)
    assert detach.feed(b"x\x10") == (b"x", False)
    assert detach.feed(b"\x11") == (b"", True)
    other = DetachFilter(CTRL_P_CTRL_Q)
    assert other.feed(b"\x10") == (b"", False)
    assert other.feed(b"a") == (b"\x10a", False)
    assert DetachFilter(CTRL_C).feed(b"ab\x03") == (b"ab", True)
    assert DetachFilter(b"").feed(b"\x10\x11\x03") == (b"\x10\x11\x03", False)


async def test_a_key_that_cannot_work_is_told_once_while_the_notice_stands() -> None:
    from tui.app import BerthApp

    app = BerthApp(Hub(Client(Endpoint(path="/nowhere.sock"))), run_hub=False)
    async with app.run_test() as pilot:
        await pilot.press("l", "l", "l", "s")
        notices = [note.message for note in app._notifications]
        assert notices == ["No container is selected."]
