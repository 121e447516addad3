"""Makes sure an engine answers, like tmux: one is started in the background if need be."""

import asyncio
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tui.clients import Client, ClientError, Endpoint, Unreachable, default_endpoint

START_SECONDS = 30.0
STOP_SECONDS = 30.0
ANSWER_SECONDS = 10.0
ASK_SECONDS = 2.0
RETRY_SECONDS = 0.05

# Whoever shows the reason puts the program's name in front of it once.
_PREFIX = re.compile(r"(^|: )berth: ")

Say = Callable[[str], None]


class CannotStart(Exception):
    """No engine answers and none could be started; says why and what to do."""


@dataclass(frozen=True, slots=True)
class Answering:
    """An engine that answers; ``started`` when this call made it do so."""

    endpoint: Endpoint
    started: bool = False


async def ensure_engine(environ: Mapping[str, str], say: Say) -> Answering:
    """The engine of ``DOCKER_HOST``, else berth's own, started if it does not answer.

    Raises:
        CannotStart: when there is none and none can be had.
        ValueError: for a ``DOCKER_HOST`` that cannot be used.
    """
    endpoint = default_endpoint(environ)
    reason = await _silence(endpoint)
    if not reason:
        return Answering(endpoint)
    if environ.get("DOCKER_HOST", "").strip():
        raise CannotStart(f"{reason}; DOCKER_HOST points there: start that engine, or unset it")
    _may_start(endpoint)
    await _start(environ)
    await _until_answering(endpoint)
    say(f"started the berth engine in the background ({endpoint})")
    return Answering(endpoint, started=True)


async def _silence(endpoint: Endpoint) -> str:
    """Why nothing answers there; empty when something does.

    An engine that takes the connection and is slow is there: whoever waits for it shows that.
    """
    client = Client(endpoint)
    try:
        async with asyncio.timeout(ASK_SECONDS):
            await client.open()
    except TimeoutError:
        return ""
    except Unreachable as error:
        return str(error)
    finally:
        await client.close()
    return ""


def _may_start(endpoint: Endpoint) -> None:
    if sys.platform != "linux":
        raise CannotStart(
            f"berth's engine needs Linux, this is {sys.platform}: set DOCKER_HOST to another engine"
        )
    if os.path.exists(endpoint.path) and not os.access(endpoint.path, os.R_OK | os.W_OK):
        raise CannotStart(f"{endpoint.path} is not yours to use: run `sudo berth`")


async def _start(environ: Mapping[str, str]) -> None:
    code, said = await run_engine_command(["start"], environ, START_SECONDS)
    if code != 0:
        reason = _PREFIX.sub(r"\1", said.splitlines()[-1]) if said else f"exit status {code}"
        raise CannotStart(
            f"the engine did not start: {reason}; `berth doctor` says what is missing"
        )


async def stop_engine(environ: Mapping[str, str]) -> str:
    """Stops the engine that ``ensure_engine`` started; returns what went wrong, if anything."""
    code, said = await run_engine_command(["stop"], environ, STOP_SECONDS)
    return "" if code == 0 else said or f"exit status {code}"


async def run_engine_command(
    words: list[str], environ: Mapping[str, str], seconds: float
) -> tuple[int, str]:
    """Exit status and all output of ``python -m engine WORDS``, killed when it takes too long."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "engine",
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(environ),
    )
    try:
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return 1, f"`engine {' '.join(words)}` did not finish in {seconds:.0f} s"
    return process.returncode or 0, output.decode("utf-8", "replace").strip()


async def _until_answering(endpoint: Endpoint) -> None:
    deadline = time.monotonic() + ANSWER_SECONDS
    try:
        reason = await _silence(endpoint)
        while reason and time.monotonic() < deadline:
            await asyncio.sleep(RETRY_SECONDS)
            reason = await _silence(endpoint)
    except ClientError as error:
        raise CannotStart(f"what answers at {endpoint} is no engine: {error}") from None
    if reason:
        raise CannotStart(f"the engine was started but {reason}; see `berth doctor`")
