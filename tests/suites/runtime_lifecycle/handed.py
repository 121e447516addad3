"""What is looked at around a hand-over: processes, descriptors, answers on one connection."""

import asyncio
import os
import re
from pathlib import Path
from typing import Any

from engine.runtime import wire
from engine.runtime.connection import Message, Streams
from engine.runtime.launcher import Monitor

from .conftest import until


def children(pid: int) -> set[int]:
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def builder_of(monitor: Monitor) -> int:
    """The process that answers for a container which has not been started."""
    (builder,) = children(monitor.monitor_pid) - {monitor.pid}
    return builder


async def handed_over(monitor: Monitor) -> None:
    await until(lambda: children(monitor.monitor_pid) == {monitor.pid})


def descriptors(pid: int) -> list[str]:
    """What a process has open, without the numbers that tell one pipe from another."""
    links = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
    return sorted(re.sub(r"^(pipe|socket):.*", r"\1", link) for link in links)


def switches(pid: int) -> int:
    """How often a process has gone to sleep."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


async def answers(streams: Streams, count: int) -> list[Message]:
    """The next so many answers; events between them are left out."""
    found: list[Message] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            kind, payload = await streams.receive()
            message = wire.parse_control(payload) if kind == wire.CONTROL else {"event": None}
            if "event" not in message:
                found.append(message)
    return found


def pipelined(*requests: dict[str, Any]) -> bytes:
    return b"".join(wire.control({"id": n, **each}) for n, each in enumerate(requests))
