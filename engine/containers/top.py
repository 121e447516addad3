"""top: the processes of a container, as ps(1) would show them."""

import asyncio
import shutil

from engine.containers import processes
from engine.containers.context import Context
from engine.containers.live import Live
from engine.containers.model import Status, Top
from engine.containers.stats import pids
from engine.errors import Conflict, InvalidArgument, NotRunning, Unsupported

DEFAULT = ("", "-ef")
BOUND = 10.0
"""Seconds ps may take."""


async def top(context: Context, live: Live, ps_args: str) -> Top:
    """Raises NotRunning; Unsupported when other arguments need a ps that is not installed."""
    if live.status is Status.RESTARTING:
        raise Conflict(f"Container {live.id} is restarting, wait until the container is running")
    if live.monitor is None or not live.running:
        raise NotRunning(f"Container {live.id} is not running")
    mine = await asyncio.to_thread(pids, live)
    if ps_args in DEFAULT:
        shown = await asyncio.to_thread(processes.full, mine)
    else:
        shown = select(await _ps(ps_args.split()), mine)
    context.publish(live, "top")
    return shown


async def _ps(args: list[str]) -> str:
    """Runs without a shell; everything on the host is listed and then picked from."""
    program = shutil.which("ps")
    if program is None:
        raise Unsupported(
            "ps is not installed on this host: install procps, or leave the ps arguments out"
        )
    process = await asyncio.create_subprocess_exec(
        program, *args, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(BOUND):
            output, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise Unsupported(f"ps did not answer within {BOUND:g} s") from None
    if process.returncode:
        raise InvalidArgument(f"error running ps: {errors.decode(errors='replace').strip()}")
    return output.decode(errors="replace")


def select(output: str, wanted: list[int]) -> Top:
    """The titles and the rows of these pids; the last column may hold blanks."""
    lines = output.splitlines()
    titles = lines[0].split() if lines else []
    if "PID" not in titles:
        raise InvalidArgument("Couldn't find PID field in ps output")
    column, pids_wanted = titles.index("PID"), {str(pid) for pid in wanted}
    rows = (line.split(None, len(titles) - 1) for line in lines[1:])
    kept = (row for row in rows if len(row) > column and row[column] in pids_wanted)
    return Top(tuple(titles), tuple(tuple(row) for row in kept))
