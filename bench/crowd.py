"""Many containers asked for at once: how many a second come up, and what the engine pays for it.

The clock runs from the first request to the last answer: create and start of each over HTTP, as
many at a time as there are containers. CPU is that of the daemon and the processes below it
(berth: engine and zygote; dockerd: with its containerd), not that of monitors and shims.
"""

import argparse
import asyncio
import time
from pathlib import Path

import aiohttp

from bench.cpu import family_seconds
from bench.report import Series, table
from bench.sides import IMAGE, ApiSide

_BODY = {"Image": IMAGE, "Cmd": ["sleep", "600"], "HostConfig": {"NetworkMode": "none"}}


async def measure(folder: Path, options: argparse.Namespace) -> None:
    """Print how long the crowd takes on both sides, and how much CPU."""
    async with ApiSide("berth", folder / "b") as berth, ApiSide("dockerd", folder / "d") as dockerd:
        rows: dict[str, Series] = {}
        for _ in range(options.rounds):
            for side in (dockerd, berth):
                for name, value in (await crowd(side, options.crowd)).items():
                    rows.setdefault(name, Series(name)).values.append(value)
    for kind, better in (("a second", "more is better"), ("CPU ms", "a container")):
        chosen = [row for row in rows.values() if row.name.endswith(kind)]
        title = f"{options.crowd} containers at once: {kind}, {better}"
        print(table(title, chosen, f"dockerd {kind}", kind), flush=True)


async def crowd(side: ApiSide, size: int) -> dict[str, float]:
    """Containers a second, and milliseconds of the daemon's CPU for one."""
    assert side.daemon.process is not None
    pid = side.daemon.process.pid
    connector = aiohttp.UnixConnector(str(side.daemon.socket), limit=size)
    timeout = aiohttp.ClientTimeout(total=600)
    session = aiohttp.ClientSession("http://engine", connector=connector, timeout=timeout)
    async with session:
        before, began = family_seconds(pid), time.perf_counter()
        ids = await asyncio.gather(*(_start(side, session) for _ in range(size)))
        took, spent = time.perf_counter() - began, family_seconds(pid) - before
        for each in ids:
            await side.call("DELETE", f"/containers/{each}?force=true", session=session)
    return {
        f"{side.kind} a second": size / took,
        f"{side.kind} CPU ms": spent / size * 1e3,
    }


async def _start(side: ApiSide, session: aiohttp.ClientSession) -> str:
    made = await side.call("POST", "/containers/create", _BODY, session=session)
    await side.call("POST", f"/containers/{made['Id']}/start", session=session)
    return str(made["Id"])
