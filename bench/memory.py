"""What an idle container costs in memory: berth's monitor beside containerd's shim."""

import argparse
import asyncio
import re
import statistics
from pathlib import Path

from bench.sides import IMAGE, ApiSide

COUNT = 10


async def measure(folder: Path, _options: argparse.Namespace) -> None:
    """Print the table of both sides."""
    async with ApiSide("berth", folder / "b") as berth, ApiSide("dockerd", folder / "d") as dockerd:
        print(await monitor_memory(berth, dockerd), flush=True)


async def monitor_memory(berth: ApiSide, dockerd: ApiSide) -> str:
    """A table of RSS and PSS, in kB, of the parent of each of ten idle containers."""
    rows = [
        "### Memory of the process that watches one idle container (median of 10, kB)",
        "",
        "| | RSS | PSS |",
        "|---|---:|---:|",
    ]
    for name, side in (("berth monitor", berth), ("containerd-shim-runc-v2", dockerd)):
        figures = await side_memory(side)
        rss, pss = (int(statistics.median(column)) for column in zip(*figures, strict=True))
        rows.append(f"| {name} | {rss} | {pss} |")
    return "\n".join(rows) + "\n"


async def side_memory(side: ApiSide) -> list[tuple[int, int]]:
    names = [f"idle-{number}" for number in range(COUNT)]
    for name in names:
        command = ("run", "-d", "--network", "none", "--name", name, IMAGE, "sleep", "600")
        await asyncio.to_thread(side.daemon.docker, *command)
    try:
        parents = [parent_of(side.daemon.state(name)["Pid"]) for name in names]
        return [memory_of(parent) for parent in parents]
    finally:
        await asyncio.to_thread(side.daemon.docker, "rm", "-f", *names)


def parent_of(pid: int) -> int:
    """The process that watches it; runc's own are gone by then."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def memory_of(pid: int) -> tuple[int, int]:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = dict(re.findall(r"^(Rss|Pss):\s+(\d+) kB", text, re.MULTILINE))
    return int(found["Rss"]), int(found["Pss"])
