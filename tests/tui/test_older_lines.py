"""Scrolling up fetches what was written before, each line once and in its place."""

from tui.models import LogLine
from tui.screens.log_panel import before


def lines(first: int, last: int, time: float = 1.0) -> list[LogLine]:
    return [LogLine(f"line {number}", time=time) for number in range(first, last)]


def test_lines_of_one_moment_are_told_apart() -> None:
    assert before(lines(0, 70), lines(20, 70)) == lines(0, 20)


def test_lines_that_came_meanwhile_move_nothing() -> None:
    assert before(lines(5, 75), lines(20, 70)) == lines(5, 20)
    assert before(lines(0, 70), lines(20, 75)) == lines(0, 20)


def test_equal_lines_are_counted() -> None:
    same = [LogLine("again", time=1.0)]
    assert before(same * 70, same * 50) == same * 20


def test_a_log_that_is_held_whole_has_nothing_older() -> None:
    assert before(lines(0, 50), lines(0, 50)) == []
    assert before([], lines(0, 50)) == []
    assert before(lines(0, 9), []) == lines(0, 9)
