"""What an idle container costs in memory: berth's monitor beside containerd's shim."""

import argparse
import asyncio
import re
import statistics
from pathlib import Path

from bench.sides import IMAGE, ApiSide

COUNT = 10
SETTLED = 1.0
"""Seconds until nobody is busy with the last one's start any more."""


async def measure(folder: Path, _options: argparse.Namespace) -> None:
    """Print the table of both sides."""
    async with ApiSide("berth", folder / "b") as berth, ApiSide("dockerd", folder / "d") as dockerd:
        print(await monitor_memory(berth, dockerd), flush=True)


async def monitor_memory(berth: ApiSide, dockerd: ApiSide) -> str:
    """A table of RSS and PSS, in kB, of the parent of each of ten containers that do nothing."""
    rows = [
        "### Memory of the process that watches one container (median of 10, kB)",
        "",
        "| | RSS | PSS | ÷ containerd-shim |",
        "|---|---:|---:|---:|",
    ]
    for title, script, joined in _SITUATIONS:
        theirs = await side_memory(dockerd, script, joined)
        ours = await side_memory(berth, script, joined)
        for name, (rss, pss) in (("containerd-shim-runc-v2", theirs), ("berth monitor", ours)):
            rows.append(f"| {name}, {title} | {rss} | {pss} | {pss / theirs[1]:.2f} |")
    return "\n".join(rows) + "\n"


_SITUATIONS = (
    ("idle since its start", "exec sleep 600", False),
    ("after a line of output", "echo here; exec sleep 600", False),
    ("after an exec", "exec sleep 600", True),
)
"""What the container has done, how, and whether something is executed in it."""


async def side_memory(side: ApiSide, script: str, joined: bool) -> tuple[int, int]:
    """Medians of RSS and PSS."""
    names = [f"idle-{number}" for number in range(COUNT)]
    for name in names:
        command = ("run", "-d", "--network", "none", "--name", name, IMAGE, "sh", "-c", script)
        await asyncio.to_thread(side.daemon.docker, *command)
        if joined:
            await asyncio.to_thread(side.daemon.docker, "exec", name, "true")
    try:
        parents = [parent_of(side.daemon.state(name)["Pid"]) for name in names]
        await asyncio.sleep(SETTLED)
        rss, pss = zip(*(memory_of(parent) for parent in parents), strict=True)
        return int(statistics.median(rss)), int(statistics.median(pss))
    finally:
        await asyncio.to_thread(side.daemon.docker, "rm", "-f", *names)


def parent_of(pid: int) -> int:
    """The process that watches it; runc's own are gone by then."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def memory_of(pid: int) -> tuple[int, int]:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = dict(re.findall(r"^(Rss|Pss):\s+(\d+) kB", text, re.MULTILINE))
    return int(found["Rss"]), int(found["Pss"])
