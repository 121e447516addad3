"""How long a container takes to start and end: berth beside runc and dockerd, in turn, in one run.

Every side runs `/bin/true` of the same busybox root file system. The runtime half gives berth and
runc the very same OCI config.json (limits, seccomp, masked paths); berth mounts an overlay besides.
Each series is taken back to back and with a pause before each start: the kernel makes the first
move of a process between cgroups wait for an RCU grace period when the machine was quiet.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.report import Series, table
from bench.sides import ApiSide, CliSide, RuncSide, RuntimeSide, UnshareSide

Run = Callable[[], Awaitable[dict[str, float]]]


async def interleave(sides: dict[str, Run], count: int, pause: float) -> list[Series]:
    """Run the sides in turn `count` times; a side returns milliseconds by the name of the step."""
    series: dict[str, Series] = {}
    for _ in range(count):
        for run in sides.values():
            if pause:
                await asyncio.sleep(pause)
            for name, value in (await run()).items():
                series.setdefault(name, Series(name)).values.append(value)
    return list(series.values())


async def measure(
    title: str, sides: dict[str, Run], reference: str, options: argparse.Namespace
) -> None:
    for label, pause in (("back to back", 0.0), (f"{options.pause} s pause", options.pause)):
        for run in sides.values():
            await run()
        rows = await interleave(sides, options.count, pause)
        print(table(f"{title}, {label}", rows, reference), flush=True)


async def runtime(folder: Path, options: argparse.Namespace) -> None:
    async with RuntimeSide(folder / "runtime") as berth:
        runc = RuncSide(folder / "runc", berth.config)
        floor = UnshareSide(berth.rootfs)
        sides = {"runc": runc.run, "unshare": floor.run, "berth": berth.run}
        await measure("Runtime: request → exit of /bin/true", sides, "runc run → exit", options)


async def engines(folder: Path, options: argparse.Namespace) -> None:
    async with ApiSide("berth", folder / "b") as berth, ApiSide("dockerd", folder / "d") as dockerd:
        sides = {"dockerd": dockerd.run, "berth": berth.run}
        title = "API: create → start → exit → remove of /bin/true"
        await measure(title, sides, "dockerd total", options)
        commands = {"dockerd": CliSide(dockerd).run, "berth": CliSide(berth).run}
        title = "`docker run --rm --network none`, the same docker CLI"
        await measure(title, commands, "dockerd docker run", options)
