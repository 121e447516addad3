"""What the benchmarks compute, and that the trace finds what it wants to time."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import cpu, logs, report, steps, trace


def test_the_parent_and_all_four_times_are_read_from_a_stat_line() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    line = f"7 (a) b (c) S 3 7 7 0 -1 0 1 2 3 4 {ticks} {2 * ticks} {4 * ticks} {8 * ticks} 20 0 1"

    assert cpu.parent_and_seconds(line) == (3, 15.0)


def test_a_family_has_the_time_of_reaped_children() -> None:
    before = cpu.family_seconds(os.getpid())
    spin = "import time\nwhile time.process_time() < 0.3: pass"

    subprocess.run([sys.executable, "-c", spin], check=True)

    assert cpu.family_seconds(os.getpid()) - before >= 0.2


def test_a_family_that_is_gone_has_spent_nothing() -> None:
    process = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], check=True, capture_output=True
    )

    assert cpu.family_seconds(int(process.stdout)) == 0


def test_a_byte_is_counted_over_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"ax\n" * 500_000)

    assert logs.count(path, b"x") == 500_000


def test_steps_are_in_the_order_of_time_with_their_own_cost() -> None:
    known = [("engine", "asked"), ("init", "mounts"), ("engine", "told"), ("init", "pivot")]
    runs = [[1_000, 5_000, 9_000, 6_000], [2_000, 8_000, 12_000, 9_000]]

    found = steps.rows(known, runs)

    assert [(row.label, row.at, row.took) for row in found] == [
        ("asked", 0, None),
        ("mounts", 5, None),
        ("pivot", 6, 1),
        ("told", 9, 9),
    ]


def test_a_step_that_some_run_did_not_pass_is_left_out() -> None:
    found = steps.rows([("engine", "asked"), ("engine", "told")], [[1, 2], [1, 0]])

    assert [row.label for row in found] == ["asked"]


def test_the_faster_half_is_the_one_that_came_first_to_its_end() -> None:
    runs = [[10, 50], [20, 30], [30, 99]]

    assert steps.faster_half(runs, 1) == [[20, 30], [10, 50]]


def test_a_steps_table_has_a_column_for_each_process() -> None:
    rows = [steps.Row("engine", "asked", 0, None), steps.Row("init", "mounts", 12.4, None)]

    assert steps.table("T", rows).splitlines()[2:] == [
        "| at µs | engine | init |",
        "|---:|---|---|",
        "| 0 | asked |  |",
        "| 12 |  | mounts |",
    ]


def test_ratios_are_to_the_median_of_the_reference() -> None:
    rows = [report.Series("a", [1.0, 3.0, 2.0]), report.Series("b", [4.0])]

    assert report.table("T", rows, "a").splitlines()[-1] == "| b | 4.00 | 4.00 | 4.00 | 1 | 2.00 |"


@pytest.mark.parametrize("point", (*trace.ENGINE, *trace.FORKED), ids=lambda point: point.name)
def test_every_traced_function_is_there(point: trace.Point) -> None:
    place = importlib.import_module(point.module)
    for name in point.name.split("."):
        place = getattr(place, name)

    assert callable(place)


def test_a_board_keeps_the_first_time_of_each_slot(tmp_path: Path) -> None:
    board = trace.Board(tmp_path / "board")
    board.mark(1)
    first = board.read()

    board.mark(1)
    trace.Board(tmp_path / "board").mark(0)

    assert board.read()[1] == first[1] > 0
    assert board.read()[0] > first[1]
    board.clear()
    assert not any(board.read())
