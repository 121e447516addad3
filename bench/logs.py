"""How fast output reaches the log, and what a steady writer costs.

The writer is `cat` of a file of 111-byte lines that the container sees from the host, from the page
cache; the clock runs from the answer to `start` to the answer to `wait`, when all lines are in the
log. A figure counts only if the log really holds every line.
"""

import argparse
import asyncio
import time
from pathlib import Path
from typing import Any

from bench.cpu import own_seconds
from bench.memory import parent_of
from bench.report import Series, table
from bench.sides import IMAGE, ApiSide

LINE = b"x" * 110 + b"\n"
FILE_BYTES = len(LINE) * 200_000
TIMES = {"berth": 40, "dockerd": 4}
"""How often the file is written: about as long a run on either side."""

_PACED_SECONDS, _PACED_RATE = 5, 1_000_000
_PACED = """
import os, time
line, rate, end = b"x" * 110 + b"\\n", RATE, time.monotonic() + SECONDS
began, written = time.monotonic(), 0
while time.monotonic() < end:
    while written < (time.monotonic() - began) * rate:
        written += os.write(1, line)
    time.sleep(0.0001)
"""


async def measure(folder: Path, options: argparse.Namespace) -> None:
    """Print MB/s of a writer that knows no pause, and the CPU that 1 MB/s costs."""
    lines = folder / "lines"
    lines.write_bytes(LINE * (FILE_BYTES // len(LINE)))
    async with ApiSide("berth", folder / "b") as berth, ApiSide("dockerd", folder / "d") as dockerd:
        flood = [Series(f"{kind} MB/s") for kind in ("dockerd", "berth")]
        paced = [Series(f"{kind} % of a core") for kind in ("dockerd", "berth")]
        for _ in range(options.rounds):
            for place, side in enumerate((dockerd, berth)):
                flood[place].values.append(await flooded(side, lines))
                paced[place].values.append(await paced_cost(side))
    print(table("Log: 111-byte lines as fast as can be", flood, flood[0].name, "MB/s"), flush=True)
    title = "Log: one write of 111 bytes after the other, 1 MB/s: CPU of whoever keeps the log"
    print(table(title, paced, paced[0].name, "%"), flush=True)


async def flooded(side: ApiSide, lines: Path) -> float:
    """Megabytes of output a second."""
    times = TIMES[side.kind]
    script = f"i=0; while [ $i -lt {times} ]; do cat /lines; i=$((i+1)); done"
    host = {"NetworkMode": "none", "Binds": [f"{lines}:/lines:ro"]}
    made = await side.call("POST", "/containers/create", _body(["sh", "-c", script], host))
    path = f"/containers/{made['Id']}"
    await side.call("POST", f"{path}/start")
    began = time.perf_counter()
    await side.call("POST", f"{path}/wait")
    took = time.perf_counter() - began
    await _check(side, made["Id"], times * FILE_BYTES // len(LINE))
    await side.call("DELETE", path)
    return times * FILE_BYTES / 1e6 / took


async def _check(side: ApiSide, container: str, lines: int) -> None:
    """Raises AssertionError when something is missing; no log has an x of its own."""
    found = await side.call("GET", f"/containers/{container}/json")
    logged = await asyncio.to_thread(count, Path(found["LogPath"]), b"x")
    wanted = lines * LINE.count(b"x")
    assert logged == wanted, f"{side.kind}: {logged} of {wanted} bytes are in the log"


def count(path: Path, byte: bytes) -> int:
    """How often a byte is in a file of any size."""
    with path.open("rb") as file:
        return sum(part.count(byte) for part in iter(lambda: file.read(1 << 20), b""))


async def paced_cost(side: ApiSide) -> float:
    """CPU, in % of a core, of the processes between the container and its log."""
    script = _PACED.replace("RATE", str(_PACED_RATE)).replace("SECONDS", str(_PACED_SECONDS + 1))
    host = {"NetworkMode": "none", "Binds": ["/:/host:ro"]}
    command = ["chroot", "/host", "/usr/bin/python3", "-c", script]
    made = await side.call("POST", "/containers/create", _body(command, host))
    path = f"/containers/{made['Id']}"
    await side.call("POST", f"{path}/start")
    state = (await side.call("GET", f"{path}/json"))["State"]
    keepers = _keepers(side, parent_of(state["Pid"]))
    before, began = _spent(keepers), time.perf_counter()
    await asyncio.sleep(_PACED_SECONDS)
    spent, took = _spent(keepers) - before, time.perf_counter() - began
    await side.call("POST", f"{path}/wait")
    await side.call("DELETE", path)
    return spent / took * 100


def _keepers(side: ApiSide, monitor: int) -> list[int]:
    """dockerd reads the output itself, through containerd's shim."""
    assert side.daemon.process is not None
    return [monitor] if side.kind == "berth" else [monitor, side.daemon.process.pid]


def _spent(pids: list[int]) -> float:
    """Of these processes alone: the writer is the shim's or the monitor's child."""
    return sum(own_seconds(pid) for pid in pids)


def _body(command: list[str], host: dict[str, Any]) -> dict[str, Any]:
    """One log file on both sides: Docker rotates only when told to, berth by itself."""
    log = {"Type": "json-file", "Config": {"max-size": "100g"}}
    return {"Image": IMAGE, "Cmd": command, "HostConfig": {**host, "LogConfig": log}}
