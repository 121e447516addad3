"""Where the time of one start goes, by step: the table that `python -m bench --only steps` prints.

Every figure is the median of the faster half of many starts, because a start that had to wait for
other programs says nothing of its steps; in microseconds since the launcher was asked. Processes
work side by side, so the table is in the order of time, and a step's own cost is the time since the
step before it of the same process.
"""

import argparse
import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import trace
from bench.sides import RuntimeSide
from engine.runtime import forkserver

_HOOK = "import bench.trace; bench.trace.install_in_zygote({path!r}); "
_IMPORT = "from engine.runtime.zygote.server"


@dataclass(frozen=True, slots=True)
class Row:
    """One step: microseconds since the start was asked for, and since its process' last step."""

    process: str
    label: str
    at: float
    took: float | None


def rows(known: Sequence[tuple[str, str]], runs: Sequence[Sequence[int]]) -> list[Row]:
    """The steps in the order of time; one that was not passed in every run is left out.

    `runs` are the nanoseconds of each slot by run; the first slot is the beginning.
    """
    found = []
    for slot, (process, label) in enumerate(known):
        times = [run[slot] - run[0] for run in runs if run[slot]]
        if len(times) == len(runs):
            found.append((statistics.median(times) / 1e3, process, label))
    result, last = [], dict[str, float]()
    for at, process, label in sorted(found, key=lambda each: each[0]):
        took = at - last[process] if process in last else None
        result.append(Row(process, label, at, took))
        last[process] = at
    return result


def faster_half(runs: Sequence[Sequence[int]], end: int) -> list[Sequence[int]]:
    """The runs that came first to the slot `end`."""
    ordered = sorted(runs, key=lambda run: run[end] - run[0])
    return ordered[: (len(ordered) + 1) // 2]


def table(title: str, steps: Sequence[Row]) -> str:
    """Markdown: one column a process, so that what happens side by side is seen."""
    processes = list(dict.fromkeys(step.process for step in steps))
    lines = [
        f"### {title}",
        "",
        f"| at µs | {' | '.join(processes)} |",
        f"|---:|{'---|' * len(processes)}",
    ]
    for step in steps:
        took = "" if step.took is None else f" +{step.took:.0f}"
        cells = [f"{step.label}{took}" if each == step.process else "" for each in processes]
        lines.append(f"| {step.at:.0f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


async def measure(folder: Path, options: argparse.Namespace) -> None:
    """Print the table of starts back to back, and of starts after a pause."""
    path = folder / "board"
    board = trace.Board(path)
    trace.install(board, trace.ENGINE, 0)
    forkserver._BOOT = forkserver._BOOT.replace(_IMPORT, _HOOK.format(path=str(path)) + _IMPORT)
    async with RuntimeSide(folder / "steps") as berth:
        for label, pause in (("back to back", 0.0), (f"{options.pause} s pause", options.pause)):
            await berth.run()
            runs = await _collect(berth, board, options.count, pause)
            found = rows(trace.names(), faster_half(runs, trace.STARTED))
            print(table(f"Where the time goes, {label}", found), flush=True)


async def _collect(
    berth: RuntimeSide, board: trace.Board, count: int, pause: float
) -> list[list[int]]:
    runs = []
    for _ in range(count):
        await asyncio.sleep(pause)
        board.clear()
        await berth.run()
        runs.append(board.read())
    return runs
