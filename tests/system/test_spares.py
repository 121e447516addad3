"""The zygote and what it has made ready, killed: noticed without a request, and replaced."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.system.engine_api import IMAGE, Api, Engine, kill_process, load_image, opened, serving
from tests.system.leftovers import differences, leftovers
from tests.system.test_crash_loop import settled

pytestmark = pytest.mark.root

ZYGOTES = 3
"""That are killed within one start, one after the other, each before it can do anything."""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with serving(tmp_path / "e", "spares") as made:
        yield made


def test_killed_spares_are_replaced_and_leave_nothing(engine: Engine) -> None:
    before = settled(engine)
    killed = list(engine.monitors())
    assert len(killed) == 2
    assert all(kill_process(pid) for pid in killed)
    eventually(lambda: len(set(engine.monitors()) - set(killed)) == 2, what="two others are ready")
    eventually(
        lambda: not differences(before, leftovers(engine)),
        what="nothing is left of the killed",
    )


async def test_a_start_outlives_the_zygotes_that_it_needs(engine: Engine) -> None:
    async with opened(engine) as api:
        await load_image(api)
        body = {"Image": IMAGE, "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}}
        assert (await api.call("POST", "/containers/create?name=one", body)).status == 201
        killing = asyncio.create_task(kill_zygotes(engine))
        await asyncio.to_thread(eventually, lambda: not engine.zygotes(), what="there is none")
        await asyncio.gather(start(api), killing)


async def start(api: Api) -> None:
    answer = await api.call("POST", "/containers/one/start")
    assert answer.status == 204, answer.body


async def kill_zygotes(engine: Engine) -> None:
    """As soon as there is one: what the engine starts is nothing else."""
    known: set[int] = set()
    async with asyncio.timeout(30):
        while len(known) < ZYGOTES:
            for pid in engine.processes():
                if is_child(pid, engine.pid) and kill_process(pid):
                    known.add(pid)
            await asyncio.sleep(0.002)


def is_child(pid: int, parent: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return int(stat.rpartition(")")[2].split()[1]) == parent
