"""Braille areas, axes and gauges."""

from dataclasses import replace
from itertools import pairwise

import pytest
from textual.app import App, ComposeResult

from tui.models import Sample
from tui.screens.board import aligned
from tui.screens.units import cores
from tui.widgets import themes
from tui.widgets.braille import area, buckets, round_top, span_for
from tui.widgets.gauge import Gauge, Level, bar
from tui.widgets.graph import Graph, Trace, ago


def test_area_fills_from_the_bottom_two_values_a_character() -> None:
    assert area([4.0, 4.0], 1, 4.0) == ["⣿"]
    assert area([4.0, 4.0], 2, 4.0) == ["⣿", "⣿"]
    assert area([2.0, 2.0], 2, 4.0) == [" ", "⣿"]
    assert area([2.0, 2.0], 2, 4.0, inverted=True) == ["⣿", " "]
    assert area([None, None], 1, 4.0) == [" "]
    assert area([0.0, 0.0], 1, 4.0) == ["⣀"]


def test_full_history_fills_the_whole_width() -> None:
    history = [float(number % 7) for number in range(600)]
    for columns in (40, 118, 144, 290, 700):
        found = buckets(history, columns, span_for(len(history)), 1_000_000)
        empty = sum(value is None for value in found)
        assert empty <= (2 if columns <= 600 else columns - 600 + 1)


def test_peaks_survive_being_squeezed() -> None:
    history: list[float | None] = [0.0] * 600
    history[300] = 9.0
    assert max(value or 0.0 for value in buckets(history, 50, 600, 600)) == 9.0


def test_old_buckets_do_not_shimmer_while_samples_arrive() -> None:
    history = [float((number * 7919) % 101) for number in range(700)]
    seen = []
    for newest in range(600, 660):
        seen.append(tuple(buckets(history[newest - 599 : newest + 1], 60, 600, newest))[10:50])
    changes = sum(one != two for one, two in pairwise(seen))
    assert changes == 5


@pytest.mark.parametrize(
    ("value", "binary", "top"),
    [(0.0, False, 0.1), (0.004, False, 0.1), (0.37, False, 0.4), (1.5, False, 2),
     (9.1, False, 10), (0.0, True, 1024), (1500, True, 2048),
     (600 << 20, True, 1 << 30), (512 << 20, True, 512 << 20)],
)  # fmt: skip
def test_axis_ends_on_a_round_figure(value: float, binary: bool, top: float) -> None:
    assert round_top(value, binary=binary) == pytest.approx(top)


def test_span_words() -> None:
    assert [ago(600), ago(150), ago(45)] == ["-10m", "-2m30s", "-45s"]


def test_samples_are_aligned_to_seconds_and_gaps_stay_gaps() -> None:
    samples = [
        Sample(100.2, cpu_cores=1.0),
        Sample(102.1, cpu_cores=3.0),
        Sample(110.0, cpu_cores=5.0),
    ]
    values, newest = aligned(samples, "cpu_cores")
    assert newest == 110
    assert values == [1.0, 1.0, 3.0, *[None] * 6, None, 5.0]


def test_bar_is_never_empty_for_something_and_never_too_long() -> None:
    assert bar(0.0, 10) == ""
    assert bar(0.001, 10) == "╸"
    assert bar(1.0, 10) == "━" * 10


class GraphApp(App[None]):
    def compose(self) -> ComposeResult:
        yield Graph("CPU cores", "cpu", lambda value: f"{value:.2g}")
        yield Gauge("Memory", "memory")

    def on_mount(self) -> None:
        self.register_theme(themes.NIGHT)
        self.theme = themes.NIGHT.name


async def test_graph_shows_title_figure_axis_and_limit() -> None:
    app = GraphApp()
    async with app.run_test(size=(60, 14)) as pilot:
        graph = app.query_one(Graph)
        graph.show(Trace(tuple(0.25 for _ in range(600)), 600, 0.5, ("of 0.5",)))
        await pilot.pause()
        text = [graph.render_line(y).text for y in range(graph.size.height)]
        assert "CPU cores  0.25  of 0.5" in text[0]
        assert text[1].startswith("    0.5┤╌╌")
        assert "⣿⣿⣿" in text[-2]
        assert "-10m" in text[-1]
        assert text[-1].rstrip().endswith("now")


async def test_graphs_side_by_side_have_one_time_axis_in_round_values() -> None:
    app = GraphApp()
    for width in (39, 40, 79, 160):
        async with app.run_test(size=(width, 14)) as pilot:
            graph = app.query_one(Graph)
            graph.show(Trace(tuple(0.25 for _ in range(61)), 600))
            await pilot.pause()
            axis = graph.render_line(graph.size.height - 1).text
            assert "-2m" in axis
            assert "-1m" in axis
        app = GraphApp()


async def test_a_short_history_fills_a_wide_graph_too() -> None:
    full = buckets([1.0] * 60, 130, 60, 1_000_003)
    assert full == [1.0] * 130
    steps = [float(number) for number in range(60)]
    assert [value for value in buckets(steps, 120, 60, 59) if value is not None] == [
        value for value in steps for _ in range(2)
    ]


async def test_without_data_there_is_no_scale_and_it_says_so() -> None:
    app = GraphApp()
    async with app.run_test(size=(60, 14)) as pilot:
        graph = app.query_one(Graph)
        await pilot.pause()
        text = "\n".join(graph.render_line(y).text for y in range(graph.size.height))
        assert "no data yet" in text
        assert "┤" not in text
        graph.show(Trace((None, None), 600))
        text = "\n".join(graph.render_line(y).text for y in range(graph.size.height))
        assert "not measured here" in text


async def test_above_a_limit_the_axis_ends_on_a_round_figure_too() -> None:
    app = GraphApp()
    async with app.run_test(size=(60, 14)) as pilot:
        graph = app.query_one(Graph)
        graph.show(Trace((0.6271,), 600, 0.5))
        await pilot.pause()
        assert graph.render_line(1).text.startswith("    0.8┤")


async def test_a_note_stands_whole_or_not_at_all() -> None:
    app = GraphApp()
    async with app.run_test(size=(40, 14)) as pilot:
        graph = app.query_one(Graph)
        graph.show(Trace((0.25,), 600, notes=("of 0.5", "peak 0.123456")))
        await pilot.pause()
        assert graph.render_line(0).text.rstrip() == "        CPU cores  0.25  of 0.5"


def test_figures_of_one_history_are_of_one_length() -> None:
    samples = [Sample(100.0 + number, memory_bytes=1.0) for number in range(61)]
    samples = [samples[0], *(replace(one, cpu_cores=0.5) for one in samples[1:])]
    cpu, memory = aligned(samples, "cpu_cores"), aligned(samples, "memory_bytes")
    assert len(cpu[0]) == len(memory[0]) == 61


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.0013, "<0.01"), (0.056, "0.06"), (0.5, "0.5"), (1.25, "1.25"), (16.2, "16")],
)
def test_cores_on_an_axis(value: float, text: str) -> None:
    assert cores(value) == text


@pytest.mark.parametrize(
    ("part", "state", "word"), [(10, "ok", ""), (85, "warn", "high"), (99, "bad", "full")]
)
async def test_gauge_says_in_words_when_it_is_too_full(part: float, state: str, word: str) -> None:
    app = GraphApp()
    async with app.run_test(size=(80, 14)) as pilot:
        gauge = app.query_one(Gauge)
        gauge.show(Level(part, 100, f"{part} of 100"))
        await pilot.pause()
        assert gauge.state == state
        assert word in gauge.render_line(0).text


async def test_gauge_without_a_limit_says_so() -> None:
    app = GraphApp()
    async with app.run_test(size=(80, 14)) as pilot:
        gauge = app.query_one(Gauge)
        gauge.show(Level(5, None, "5 MiB, no limit"))
        await pilot.pause()
        assert "┄" in gauge.render_line(0).text
        assert "no limit" in gauge.render_line(0).text
