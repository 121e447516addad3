"""Graphs made of characters."""

from hypothesis import given
from hypothesis import strategies as st

from tui.render import graph


def test_a_sparkline_rises_to_the_right() -> None:
    assert graph.sparkline([0, 1, 2, 3, 4, 5, 6, 7, 8], 9) == " ▁▂▃▄▅▆▇█"


def test_missing_values_and_missing_history_are_blank() -> None:
    assert graph.sparkline([None, 1], 4, 1) == "   █"


def test_something_is_never_drawn_as_nothing() -> None:
    assert graph.sparkline([0.001], 1, 100) == "▁"


def test_a_maximum_scales_and_caps() -> None:
    assert graph.sparkline([50, 200], 2, 100) == "▄█"


def test_ascii_for_terminals_without_blocks() -> None:
    assert graph.sparkline([0, 4, 8], 3, ascii=True).isascii()
    assert all(line.isascii() for line in graph.braille([1, 2, 3], 3, 2, ascii=True))


def test_braille_puts_two_values_in_a_cell_and_four_levels_in_a_line() -> None:
    assert graph.braille([4, 8], 1, 2, 8) == ["⢸", "⣿"]


@given(
    st.lists(st.none() | st.floats(0, 1e12, allow_nan=False), max_size=50),
    st.integers(1, 20),
    st.integers(1, 6),
)
def test_graphs_have_the_size_asked_for(
    values: list[float | None], cells: int, height: int
) -> None:
    assert len(graph.sparkline(values, cells)) == cells
    lines = graph.braille(values, cells, height)
    assert [len(line) for line in lines] == [cells] * height


def test_squeezing_keeps_every_peak() -> None:
    assert graph.squeeze([0, 9, 0, 0, 0, 0, 0, 1], 2) == [9, 1]


def test_a_meter() -> None:
    assert graph.meter(0.5, 4) == "██░░"
    assert graph.meter(2.0, 4) == "████"
    assert graph.meter(None, 4, ascii=True) == "----"
