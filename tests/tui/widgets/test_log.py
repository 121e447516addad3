"""The log view: any length, any line, search, filter, follow."""

import time
from datetime import UTC, datetime

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tui.models import LogLine
from tui.widgets import themes
from tui.widgets.log_buffer import LogBuffer
from tui.widgets.log_paint import decoded
from tui.widgets.log_view import LogView


class LogApp(App[None]):
    def compose(self) -> ComposeResult:
        yield LogView()

    def on_mount(self) -> None:
        self.register_theme(themes.NIGHT)
        self.theme = themes.NIGHT.name


def lines(count: int, start: int = 0) -> list[LogLine]:
    return [
        LogLine(f"line {number}", time=1000.0 + number) for number in range(start, start + count)
    ]


def shown(view: LogView) -> list[str]:
    return [view.render_line(y).text.rstrip(" ▐") for y in range(view.size.height)]


async def ready(pilot: Pilot[None]) -> LogView:
    view = pilot.app.query_one(LogView)
    await pilot.pause()
    return view


async def test_an_empty_view_says_so() -> None:
    async with LogApp().run_test(size=(40, 5)) as pilot:
        view = await ready(pilot)
        assert shown(view)[0] == "No output yet."


async def test_follows_until_scrolled_up_and_again_from_the_end() -> None:
    async with LogApp().run_test(size=(40, 10)) as pilot:
        view = await ready(pilot)
        view.extend(lines(100))
        assert shown(view)[-1] == "line 99"
        view.action_scroll_rows(-3)
        view.extend(lines(50, 100))
        assert shown(view)[-1] == "line 96"
        assert "paused" in view.position
        view.action_scroll_rows(1000)
        assert shown(view)[-1] == "line 149"
        view.extend(lines(1, 150))
        assert shown(view)[-1] == "line 150"


async def test_a_million_lines_cost_nothing_to_look_at() -> None:
    async with LogApp().run_test(size=(100, 40)) as pilot:
        view = await ready(pilot)
        middle = [LogLine("something in the middle")] * 999_998
        view.extend([LogLine("line 0"), *middle, LogLine("line 999999")])
        begun = time.process_time()
        for wrap in (False, True):
            view.wrap = wrap
            for _ in range(20):
                view.action_scroll_pages(-1)
                shown(view)
            view.action_to_start()
            assert shown(view)[0] == "line 0"
            view.action_to_end()
            assert shown(view)[-1] == "line 999999"
        assert time.process_time() - begun < 1.5


async def test_a_very_long_line_is_clipped_when_drawn() -> None:
    async with LogApp().run_test(size=(80, 24)) as pilot:
        view = await ready(pilot)
        view.extend([LogLine("x" * 90_000), LogLine("after")])
        begun = time.process_time()
        assert shown(view)[1] == "after"
        view.action_toggle_wrap()
        assert "after" in shown(view)
        view.action_to_start()
        shown(view)
        assert time.process_time() - begun < 0.5


async def test_wrap_shows_all_of_a_line_and_counts_rows() -> None:
    async with LogApp().run_test(size=(21, 10)) as pilot:
        view = await ready(pilot)
        view.extend([LogLine("a" * 50), LogLine("b")])
        assert shown(view)[:2] == ["a" * 20, "b"]
        view.action_toggle_wrap()
        assert shown(view)[:4] == ["a" * 20, "a" * 20, "a" * 10, "b"]


async def test_search_next_previous_and_matches_only() -> None:
    async with LogApp().run_test(size=(40, 10)) as pilot:
        view = await ready(pilot)
        view.extend(lines(200))
        view.search("line 15")
        assert view.buffer.count_matches() == 11
        view.action_next_match()
        assert not view.follow
        current = view.current_line()
        assert current is not None
        assert current.text.startswith("line 15")
        view.action_toggle_matches()
        assert len(view.buffer) == 11
        assert shown(view)[0].startswith("line 15")
        view.extend([LogLine("line 15 again"), LogLine("other")])
        assert len(view.buffer) == 12
        view.action_toggle_matches()
        assert len(view.buffer) == 202


async def test_times_stand_in_front() -> None:
    async with LogApp().run_test(size=(40, 4)) as pilot:
        view = await ready(pilot)
        moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC).timestamp()
        view.extend([LogLine("hello", time=moment)])
        view.action_toggle_times()
        assert shown(view)[0] == "03:04:05.678 hello"


async def test_older_lines_in_front_move_nothing() -> None:
    async with LogApp().run_test(size=(40, 10)) as pilot:
        view = await ready(pilot)
        view.extend(lines(100, 100))
        view.action_to_start()
        before = shown(view)
        view.prepend(lines(100))
        assert shown(view) == before


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[31mred\x1b[0m plain", "red plain"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b[2J\x1b[Hcleared", "cleared"),
        ("10%\r20%\r30%", "30%"),
        ("a\tb", "a       b"),
        ("bell\x07 back\x08", "bell␇ back␈"),
    ],
)
def test_what_a_container_writes_cannot_act_on_the_terminal(text: str, seen: str) -> None:
    plain = decoded(text, 0, 200).plain
    assert plain == seen or plain == seen.replace("␇", "").replace("␈", "")
    assert "\x1b" not in plain


def test_colours_the_program_asked_for_are_kept() -> None:
    text = decoded("\x1b[31mred\x1b[0m plain", 0, 200)
    assert any("red" in str(span.style) or span.style for span in text.spans)


def test_a_full_buffer_drops_the_oldest_and_says_how_many() -> None:
    buffer = LogBuffer(capacity=1000)
    buffer.extend(lines(1000))
    assert buffer.extend(lines(1, 1000)) > 0
    assert len(buffer) < 1000
    assert buffer.line(len(buffer) - 1).text == "line 1000"
    assert buffer.dropped == 1001 - len(buffer)


def test_search_is_smart_case_and_takes_broken_expressions_literally() -> None:
    buffer = LogBuffer()
    buffer.extend([LogLine("Error here"), LogLine("error there"), LogLine("a(b")])
    buffer.search("error")
    assert buffer.count_matches() == 2
    buffer.search("Error")
    assert buffer.count_matches() == 1
    buffer.search("a(b")
    assert buffer.count_matches() == 1
