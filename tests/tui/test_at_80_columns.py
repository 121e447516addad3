"""What a person reads on the smallest terminal: nothing cut that there is room for, nothing
unexplained."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual.app import App, ComposeResult

from tests.tui import scene as stage
from tests.tui.drive import Driver
from tui.dialogs.run_form import RunForm
from tui.informers import Hub
from tui.models import Container, ContainerState, Limits, Processes, RunRequest, Sample
from tui.screens.container import ContainerScreen
from tui.widgets.header import Header, HeaderState


@asynccontextmanager
async def opened(hub: Hub, start: str = "containers") -> AsyncIterator[Driver]:
    async with stage.scene(hub, start).run_test(size=(80, 24)) as pilot:
        await stage.calm(pilot)
        yield Driver(pilot.app, pilot)  # type: ignore[arg-type]  # the scene's own app


def demo(hub: Hub) -> None:
    """Names as the demo has them, a figure as long as they come, and the longest state."""
    run, gone = ContainerState.RUNNING, ContainerState.EXITED
    limit = Limits(cpus=0.25, memory=64 << 20, pids=50)
    held = [
        stage.container(1, "demo-burner", run, limits=limit),
        stage.container(
            2, "demo-crasher", gone, exit_code=137, finished_at=stage.NOW - 59 * 60, restarts=9
        ),
    ]
    hub.containers.replace([replace(one, image="berth-demo:latest") for one in held])
    hub.metrics.show([held[0].id])
    figures = Sample(stage.NOW, cpu_cores=0.001, cpu_limit=0.25, memory_bytes=1023.0 * (1 << 20))
    hub.metrics.keep(held[0].id, figures)
    hub.link.up(stage.INFO)


async def test_no_column_of_the_demo_is_cut() -> None:
    hub = stage.make_hub()
    async with opened(hub) as driver:
        demo(hub)
        await driver.shows("demo-burner   berth-demo:latest  Up", "<0.01/0.25  1023 MiB")
        await driver.shows("demo-crasher  berth-demo:latest  Exited (137) 59m ago")
        assert "…" not in driver.text()


async def test_the_tabs_count_from_the_first_moment() -> None:
    hub = stage.make_hub()
    async with opened(hub) as driver:
        hub.link.up(stage.INFO)
        await driver.shows("1 Containers 0/0", "2 Images 0", "3 Metrics 0")
        await driver.hides("mark")
        assert "filter" not in driver.text()


async def test_an_order_by_a_column_that_is_not_seen_is_told() -> None:
    hub = stage.make_hub()
    stage.fill(hub)
    async with opened(hub) as driver:
        await driver.press("R")
        await driver.shows("by RESTARTS↓")
        await driver.press("O")
        await driver.shows("by RESTARTS↑")
        await driver.press("N")
        await driver.hides("by RESTARTS")


async def test_a_word_that_is_not_finished_is_not_called_wrong() -> None:
    async def send(request: RunRequest) -> str:
        return ""

    hub = stage.make_hub()
    async with opened(hub) as driver:
        await driver.app.push_screen(RunForm("box:1", send))
        await driver.press(*["tab"] * 5)
        await driver.write("NAME")
        assert "not an environment variable" not in driver.text()
        await driver.press("tab")
        await driver.shows("not an environment variable: 'NAME'")
        await driver.press("shift+tab", "end")
        await driver.write("=x")
        await driver.hides("not an environment variable")


async def test_a_log_says_why_a_key_shows_nothing() -> None:
    hub = stage.make_hub()
    stage.fill(hub)
    async with opened(hub) as driver:
        await driver.press("l")
        await driver.shows("60 lines, following")
        await driver.press("F")
        await driver.notified("Nothing is searched for yet")
        await driver.press("slash")
        await driver.write("zebra")
        await driver.press("enter", "F")
        await driver.shows("None of 60 lines matches zebra.", "/zebra: 0 found")
        await driver.press("c")
        await driver.notified("Nothing to copy")
        await driver.press("F", "right")
        assert "level=info" in driver.text()
        await driver.press("g")
        await driver.shows("lines 1-19 of 60, paused")


async def test_a_process_is_known_by_its_command() -> None:
    hub = stage.make_hub()
    stage.fill(hub)
    titles = ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")
    command = "python3 -m http.server 8000"
    row = ("root", "24612", "24592", "0", "22:09", "?", "00:00:00", command)

    async def top(ref: str) -> Processes:
        return Processes(titles, (row,))

    hub.client.containers.top = top  # type: ignore[method-assign,assignment]
    async with opened(hub) as driver:
        await driver.select("burner")
        await driver.press("enter", "4")
        await driver.until(lambda: isinstance(driver.app.screen, ContainerScreen), "opens")
        await driver.shows("24612", command)


@pytest.mark.parametrize("count", [1, 2])
async def test_the_engines_warnings_are_counted_in_words_and_told(count: int) -> None:
    hub = stage.make_hub()
    stage.fill(hub)
    said = tuple(f"warning number {number}" for number in range(count))
    assert hub.node.info is not None
    hub.node.info = replace(hub.node.info, warnings=said)
    async with opened(hub) as driver:
        hub.link.up(replace(stage.INFO, warnings=said))
        await driver.shows(f"▲ {count} warning{'s' * (count > 1)}")
        await driver.press("4")
        await driver.shows(*(f"▲ {text}" for text in said), "POD / CONTAINER")


async def test_without_anything_running_there_are_no_empty_graphs() -> None:
    hub = stage.make_hub()
    async with opened(hub, "metrics") as driver:
        hub.link.up(stage.INFO)
        await driver.shows("Nothing runs")
        assert "CPU cores" not in driver.text()
        run = stage.container(1, "web", ContainerState.RUNNING)
        assert isinstance(run, Container)
        hub.containers.replace([run])
        await driver.shows("CPU cores", "Memory", "no data yet")
        assert "┤" not in driver.text()


@pytest.mark.parametrize("width", [44, 60, 80, 100])
async def test_the_header_keeps_the_state_of_the_link_whatever_else_there_is(width: int) -> None:
    class HeaderApp(App[None]):
        def compose(self) -> ComposeResult:
            yield Header()

    state = HeaderState(
        "berth 0.1.0", "", "4 running, 1 restarting, 1 stopped", "stale", "1m12s", 2
    )
    async with HeaderApp().run_test(size=(width, 5)) as pilot:
        header = pilot.app.query_one(Header)
        header.show(state)
        text = header.render_line(0).text
        assert text.endswith("▲ stale 1m12s ")
        assert ("4 running" in text) is (width >= 80)
        assert ("2 warnings" in text) is (width >= 100)


async def test_the_palette_begins_with_what_can_be_done() -> None:
    hub = stage.make_hub()
    async with opened(hub) as driver:
        hub.link.up(stage.INFO)
        await driver.press("colon")
        await driver.shows("Commands", "Load an image file")
        lines = driver.text().splitlines()
        first = next(at for at, line in enumerate(lines) if "Load an image file" in line)
        assert not any("is selected" in line for line in lines[:first])


async def test_keys_work_where_there_is_no_list() -> None:
    hub = stage.make_hub()
    stage.fill(hub)
    async with opened(hub) as driver:
        await driver.press("slash")
        await driver.write("zebra")
        await driver.press("enter")
        await driver.shows("Nothing matches", "/ filter")
        await driver.press("slash")
        await driver.shows("/ zebra")
        await driver.press("escape")
        await driver.shows("burner", "enter open")
        await driver.press("j")
        await driver.until(lambda: driver.table().cursor == 1, "the list has the keys again")


async def test_a_list_that_fills_by_itself_has_the_keys() -> None:
    hub = stage.make_hub()
    async with opened(hub) as driver:
        hub.link.up(stage.INFO)
        await driver.shows("Welcome aboard", "H from host")
        stage.fill(hub)
        await driver.shows("burner", "enter open")
        await driver.press("j")
        await driver.until(lambda: driver.table().cursor == 1, "the list has the keys")
        hub.containers.replace([])
        await driver.shows("No containers yet", "H from host")
        stage.fill(hub)
        await driver.shows("burner", "enter open")


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
async def test_a_long_command_takes_one_line_and_says_that_it_goes_on(
    size: tuple[int, int],
) -> None:
    hub = stage.make_hub()
    stage.fill(hub)
    held = next(item for item in hub.containers.items.values() if item.name == "burner")
    wordy = replace(held, command="sh -c '" + "echo word; " * 30 + "'")
    hub.containers.replace([wordy])
    async with stage.scene(hub).run_test(size=size) as pilot:
        await stage.calm(pilot)
        driver = Driver(pilot.app, pilot)  # type: ignore[arg-type]  # the scene's own app
        if size[0] > 80:
            await driver.shows("command  sh -c 'echo word;")
        else:
            await driver.press("l")
            await driver.shows("burner  Up")
        lines = [line for line in driver.text().splitlines() if "echo word" in line]
        assert len(lines) == 1
        assert lines[0].rstrip().endswith("…")


async def test_a_long_command_line_says_that_it_goes_on() -> None:
    async def send(request: RunRequest) -> str:
        return ""

    hub = stage.make_hub()
    async with opened(hub) as driver:
        await driver.app.push_screen(RunForm("box:1", send))
        await driver.press("tab")
        await driver.write("sh " + "word " * 40)
        await driver.shows("docker run", "word…")
