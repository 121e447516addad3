"""`python -m bench`: which part is run, and how often."""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import crowd, logs, memory, sides, start, steps, sweep

DISK_BYTES = 8 << 30

Part = Callable[[Path, argparse.Namespace], Awaitable[None]]


async def _sweep(_folder: Path, _options: argparse.Namespace) -> None:
    print("### Metrics of a thousand containers\n\n| | | |\n|---|---:|---|")
    for row in await asyncio.to_thread(sweep.measure):
        print(f"| {' | '.join(row)} |")
    print(flush=True)


PARTS: dict[str, Part] = {
    "steps": steps.measure,
    "runtime": start.runtime,
    "engines": start.engines,
    "crowd": crowd.measure,
    "logs": logs.measure,
    "memory": memory.measure,
    "sweep": _sweep,
}


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="bench", description=start.__doc__)
    parser.add_argument("--count", type=int, default=30, help="runs of each side (default 30)")
    parser.add_argument("--pause", type=float, default=0.25, help="seconds before a spaced start")
    parser.add_argument("--crowd", type=int, default=100, help="containers at once (default 100)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of crowd and logs")
    parser.add_argument("--only", choices=PARTS, help="one part only")
    return parser.parse_args(arguments)


async def run(options: argparse.Namespace) -> None:
    """Each part in a folder of its own, which goes with it."""
    for name, part in PARTS.items():
        if options.only in (None, name):
            with scratch_disk() as folder:
                await part(folder, options)


@contextmanager
def scratch_disk() -> Iterator[Path]:
    """A new ext4 file system with a journal: what an older one deleted is no part of the figures.

    Without a journal ext4 looks for a while at every inode that was freed before it makes another,
    so that a benchmark which makes and removes containers would measure itself.
    """
    folder = Path(tempfile.mkdtemp(prefix="berth-bench-"))
    image, disk = folder / "image", folder / "disk"
    try:
        disk.mkdir()
        with image.open("wb") as file:
            file.truncate(DISK_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0", str(image)], check=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(disk)], check=True)
        try:
            yield disk
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)
    finally:
        sides.forget()
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Run what is asked for and print the tables; 1 without the right to start containers."""
    if os.geteuid() != 0:
        print("bench: needs root, to start containers: run `sudo make bench`", file=sys.stderr)
        return 1
    options = parse(arguments)
    started = time.monotonic()
    kernel = os.uname()
    print(f"kernel {kernel.release}, {os.cpu_count()} CPUs, Python {sys.version.split()[0]}\n")
    asyncio.run(run(options))
    print(f"took {time.monotonic() - started:.0f} s")
    return 0
