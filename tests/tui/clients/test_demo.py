"""The demo without a terminal, as ``make run`` plays it: real, judged, and gone afterwards."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.system.daemons import ROOT, Daemon
from tests.tui.clients.conftest import IMAGE, shell
from tui.clients import Client, Conflict
from tui.commands.demo import begin
from tui.commands.demo.cast import LABEL
from tui.commands.demo.stage import Stage

SECONDS = 90.0


async def run(*words: str, **environ: str) -> asyncio.subprocess.Process:
    clean = {key: value for key, value in os.environ.items() if key != "DOCKER_HOST"}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        cwd=ROOT,
        env={**clean, **environ},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def ended(process: asyncio.subprocess.Process) -> str:
    async with asyncio.timeout(SECONDS):
        output, _ = await process.communicate()
    return output.decode()


def words_for(engine: Daemon) -> list[str]:
    """dockerd cannot make an image of the host, so it is given one."""
    image = ["--image", IMAGE] if engine.kind == "dockerd" else []
    return ["-m", "tui", "demo", "--headless", *image]


@pytest.fixture
async def live(client: Client) -> AsyncIterator[Stage]:
    """A demo somebody is looking at, without its burner: the judged one needs the CPU."""
    stage = Stage(client)
    ids = await stage.start(IMAGE, lambda _line: None)
    await client.containers.remove(ids["burner"], force=True)
    yield stage
    await stage.remove_containers()


async def test_it_works_leaves_nothing_and_leaves_a_live_demo_alone(
    engine: Daemon, client: Client, live: Stage
) -> None:
    before = {one.id for one in await client.containers.list()}
    images = {one.id for one in await client.images.list()}
    process = await run(*words_for(engine), DOCKER_HOST=f"unix://{engine.socket}")
    output = await ended(process)
    assert process.returncode == 0, output
    assert output.count("\nok  ") == 5
    for title in ("containers", "images", "metrics", "node"):
        assert f"== {title}\n" in output
    assert "demo-grower" in output
    assert {one.id for one in await client.containers.list()} == before
    assert {one.id for one in await client.images.list()} == images
    assert len(await live.own()) == 4


async def test_an_interrupted_one_cleans_up(engine: Daemon, client: Client) -> None:
    process = await run(*words_for(engine), DOCKER_HOST=f"unix://{engine.socket}")
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS):
        while b"watching" not in await process.stdout.readline():
            assert process.returncode is None
    process.send_signal(signal.SIGTERM)
    await ended(process)
    assert process.returncode != 0
    assert [one.name for one in await client.containers.list() if LABEL in one.labels] == []


async def test_one_that_cannot_start_leaves_none_and_what_was_there(
    engine: Daemon, client: Client
) -> None:
    other = await client.containers.create(shell("demo-grower", "true"))
    try:
        with pytest.raises(Conflict, match="demo-grower"):
            await begin({"DOCKER_HOST": f"unix://{engine.socket}"}, image=IMAGE)
        named = [one for one in await client.containers.list() if one.name.startswith("demo-")]
        assert [one.id for one in named] == [other.id]
    finally:
        await client.containers.remove(other.id)


async def test_what_does_not_work_is_said_and_fails(engine: Daemon) -> None:
    words = ["-m", "tui", "demo", "--headless", "--image", "no-such:1"]
    process = await run(*words, DOCKER_HOST=f"unix://{engine.socket}")
    output = await ended(process)
    assert process.returncode == 1
    assert "not seen to work" in output
    assert "no such image: no-such:1" in output.lower()


@pytest.mark.root
async def test_make_run_without_a_terminal_starts_an_engine_and_ends_it(tmp_path: Path) -> None:
    socket = tmp_path / "run" / "berth.sock"
    environ = {"BERTH_DATA_DIR": str(tmp_path / "data"), "BERTH_RUN_DIR": str(tmp_path / "run")}
    process = await run("scripts/run.py", **environ)
    output = await ended(process)
    assert process.returncode == 0, output
    assert "started the berth engine" in output
    assert output.rstrip().endswith("the demo works")
    assert not socket.exists()
