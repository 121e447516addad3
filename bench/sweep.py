"""What one sweep of the metrics costs: a thousand cgroups, by the processor's clock."""

import asyncio
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from engine.metrics.sampler import Sampler
from engine.runtime.cgroups import Manager, detect

CGROUPS = 1000
SWEEPS = 30
# Sweeps before the first that counts: files are opened, limits are read for the first time.
WARM = 12


def measure(count: int = CGROUPS) -> list[tuple[str, str, str]]:
    """Rows of (what, figure, note). Needs root; leaves no cgroup behind."""
    with _cgroups(count) as paths:
        wall, processor = asyncio.run(_sweeps(paths))
    note = f"n={SWEEPS}, empty cgroups, {detect().mode}"
    return [
        (f"sweep of {count} cgroups, CPU time", f"{_median(processor) * 1e3:.1f} ms", note),
        (f"sweep of {count} cgroups, elapsed", f"{_median(wall) * 1e3:.1f} ms", note),
    ]


async def _sweeps(paths: list[str]) -> tuple[list[float], list[float]]:
    sampler = Sampler()
    try:
        for number, path in enumerate(paths):
            sampler.track(f"{number:064}", path, os.getpid(), f"c{number}")
        wall, processor = [], []
        for number in range(WARM + SWEEPS):
            began, used = time.perf_counter(), time.process_time()
            await sampler.sweep()
            if number >= WARM:
                wall.append(time.perf_counter() - began)
                processor.append(time.process_time() - used)
        return wall, processor
    finally:
        sampler.close()


@contextmanager
def _cgroups(count: int) -> Iterator[list[str]]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count * 16  # descriptors are kept open for each, and for no more than half of these
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, hard)), hard))
    layout, parent = detect(), f"berth-sweep-{os.getpid()}"
    paths = [f"{parent}/{number}" for number in range(count)]
    try:
        for path in paths:
            Manager(layout, path).create()
        yield paths
    finally:
        for path in [*paths, parent]:
            with suppress(FileNotFoundError):
                Manager(layout, path).remove()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    for row in measure():
        print(*row, sep="  ")
