"""Rounds of create, start, exec and kill while engine, zygote and monitors are killed.

Afterwards nothing is lost (no container, log line or exit code) and nothing is left over. Every
program keeps its own account of what it wrote, in a file on the host: the log is held against it.

`BERTH_CRASH_SEED` repeats the decisions of a run (not its timing), `BERTH_CRASH_ROUNDS` sets how
many rounds the long run has.
"""

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SLOWDOWN, eventually
from tests.system.chaos import Chaos
from tests.system.engine_api import IMAGE, Answer, Api, Away, Engine, load_image, opened, serving
from tests.system.leftovers import differences, leftovers

pytestmark = pytest.mark.root

ROUNDS = int(os.environ.get("BERTH_CRASH_ROUNDS", "500"))
WORKERS = 4
WARMING = 4
LOST = 255
LINES = 600
BOUND = 60.0 * SLOWDOWN
PAUSE = 0.3 * SLOWDOWN
"""Seconds between two kills, on the average."""
SCRIPT = (
    "exec 3>/side/said; i=0; "
    f"while [ $i -lt {LINES} ]; do i=$((i+1)); echo line $i; echo $i >&3; "
    "[ $((i % 20)) = 0 ] && sleep 0.02; done; "
    "while [ ! -e /side/go ]; do sleep 0.02; done; echo end; exit $0"
)


@dataclass
class Life:
    """One container of one round, and what its test knows of it."""

    name: str
    folder: Path
    code: int
    ending: str
    id: str = ""
    begun: float = 0.0
    runs: int = 0

    def said(self) -> list[int]:
        """The lines that the program has written, as it says itself."""
        path = self.folder / "said"
        return [int(line) for line in path.read_text().split()] if path.exists() else []


class Loop:
    """Everything of one run: the engine, its tormentor, and what was seen of events."""

    def __init__(self, engine: Engine, api: Api, chaos: Chaos, folder: Path) -> None:
        self.engine = engine
        self.api = api
        self.chaos = chaos
        self.folder = folder
        self.kept: dict[str, Life] = {}
        self.deaths: dict[str, list[int]] = {}

    # --- one round ------------------------------------------------------------------------------

    async def round(self, number: int, chance: random.Random) -> None:
        life = Life(
            f"c{number}",
            self.folder / f"c{number}",
            chance.randrange(1, 100),
            chance.choice(("itself", "kill", "stop", "force")),
        )
        life.folder.mkdir()
        life.begun = time.monotonic()
        await self.create(life)
        await self.start(life)
        await asyncio.sleep(chance.uniform(0, 0.8))  # so that what follows comes at any moment
        await self.exec(life, chance.randrange(1, 100))
        if life.ending == "force":
            await self.remove(life, force=True)
            return
        await self.end(life)
        state = await self.ended(life)
        self.check_code(life, state)
        await self.check_log(life)
        await self.check_event(life, state)
        if chance.random() < 0.1:
            self.kept[life.id] = life
        else:
            await self.remove(life)

    async def create(self, life: Life) -> None:
        """Asked again when the answer was lost: there is one by that name then, or none."""
        body = {
            "Image": IMAGE,
            "Cmd": ["sh", "-c", SCRIPT, str(life.code)],
            "HostConfig": {"NetworkMode": "none", "Binds": [f"{life.folder}:/side"]},
        }
        while not life.id:
            try:
                answer = await self.api.call("POST", f"/containers/create?name={life.name}", body)
            except Away:
                answer = await self.inspect_answer(life.name)
                if answer.status == 404:
                    continue
            assert answer.status in (200, 201), answer.body
            life.id = answer.json()["Id"]

    async def start(self, life: Life) -> None:
        """It fails only when its monitor was killed; then nothing is half started, and it can be
        asked again."""
        while True:
            asked = time.monotonic()
            life.runs += 1
            try:
                answer = await self.api.call("POST", f"/containers/{life.id}/start")
            except Away:
                continue
            if answer.status in (204, 304):
                return
            state = await self.state(life)
            assert self.chaos.may_fail(life.id, asked), (answer.body, state)
            assert state["Status"] in ("created", "exited"), state
            if state["Status"] == "exited" and life.said():
                return  # it ran, and was lost with its monitor

    async def exec(self, life: Life, code: int) -> None:
        """Its output and its code; nothing of that is asked where the monitor was killed."""
        config = {
            "Cmd": ["sh", "-c", f"echo in; exit {code}"],
            "AttachStdout": True,
            "AttachStderr": True,
        }
        try:
            made = await self.api.call("POST", f"/containers/{life.id}/exec", config)
            if made.status != 201:
                await self.expect_lost(life, made)
                return
            path = f"/exec/{made.json()['Id']}"
            answer = await self.api.call("POST", f"{path}/start", {"Detach": False})
            known = (await self.api.call("GET", f"{path}/json")).json()
        except Away:
            return  # what becomes of its code is the matter of a test of its own
        if self.chaos.took(life.id):
            assert known.get("ExitCode") in (code, 255, 126, 137, None), known
            return
        assert (answer.output()[1], known["ExitCode"]) == (b"in\n", code), (answer.body, known)

    async def expect_lost(self, life: Life, answer: Answer) -> None:
        assert answer.status == 409, answer.body
        assert self.chaos.took(life.id), answer.body

    async def end(self, life: Life) -> None:
        while True:
            with suppress(Away):
                answer = await self.ask_to_end(life)
                assert answer.status in (204, 304, 409), answer.body
                return

    async def ask_to_end(self, life: Life) -> Answer:
        if life.ending == "kill":
            return await self.api.call("POST", f"/containers/{life.id}/kill")
        if life.ending == "stop":
            return await self.api.call("POST", f"/containers/{life.id}/stop?t=0")
        (life.folder / "go").touch()
        return Answer(204, b"")

    async def ended(self, life: Life) -> dict[str, Any]:
        while True:
            with suppress(Away):
                answer = await self.api.call("POST", f"/containers/{life.id}/wait")
                state = await self.state(life)
                assert answer.json()["StatusCode"] == state["ExitCode"]
                return state

    async def remove(self, life: Life, *, force: bool = False) -> None:
        deadline = time.monotonic() + BOUND
        while time.monotonic() < deadline:
            with suppress(Away):
                answer = await self.api.call("DELETE", f"/containers/{life.id}?force={int(force)}")
                if answer.status in (204, 404):
                    return
                assert answer.status == 409, answer.body
                await asyncio.sleep(0.02)
        pytest.fail(f"{life.name} cannot be removed")

    # --- what is asked of it --------------------------------------------------------------------

    def check_code(self, life: Life, state: dict[str, Any]) -> None:
        assert state["Status"] == "exited", state
        wanted = {"itself": life.code}.get(life.ending, 137)
        if self.chaos.took(life.id) and state["ExitCode"] == LOST:
            assert "monitor" in state["Error"], state
            return
        assert state["ExitCode"] == wanted, (life, state)

    async def check_log(self, life: Life) -> None:
        lost = (await self.state(life))["ExitCode"] == LOST
        text = (await self.get(f"/containers/{life.id}/logs?stdout=1")).output()[1].decode()
        *lines, rest = text.split("\n")
        if lost:
            lines = [line for line in lines if line != "end"]
        assert rest == "" or lost or life.ending != "itself", rest
        if life.ending == "itself" and not lost:
            assert lines.pop() == "end"
        beginnings = [at for at, line in enumerate(lines) if line == "line 1"]
        assert len(beginnings) <= life.runs, (life, beginnings)
        lines = lines[beginnings[-1] :] if beginnings else lines
        assert lines == [f"line {n}" for n in range(1, len(lines) + 1)], (life, lines[-5:])
        said = life.said()
        assert lost or len(lines) >= len(said), (life, len(lines), len(said))

    async def check_event(self, life: Life, state: dict[str, Any]) -> None:
        """A death is told once; one that was told to nobody died with its engine."""
        deadline = time.monotonic() + BOUND
        while life.id not in self.deaths and time.monotonic() < deadline:
            if any(moment >= life.begun for moment in self.engine.kills):
                return
            await asyncio.sleep(0.02)
        assert self.deaths[life.id][-1] == state["ExitCode"], (life, self.deaths.get(life.id))

    async def state(self, life: Life) -> dict[str, Any]:
        state: dict[str, Any] = (await self.get(f"/containers/{life.id}/json")).json()["State"]
        return state

    async def inspect_answer(self, ref: str) -> Answer:
        while True:
            with suppress(Away):
                return await self.api.call("GET", f"/containers/{ref}/json")

    async def get(self, path: str) -> Answer:
        while True:
            with suppress(Away):
                answer = await self.api.call("GET", path)
                assert answer.status == 200, answer.body
                return answer

    # --- around the rounds ----------------------------------------------------------------------

    async def listen(self) -> None:
        """Every death there is to hear of, over the lives of all engines."""
        since = 0
        wanted = '{"type":["container"],"event":["die"]}'
        while True:
            with suppress(Away):
                async for line in self.api.lines(f"/events?since={since}&filters={wanted}"):
                    event = json.loads(line)
                    deaths = self.deaths.setdefault(event["Actor"]["ID"], [])
                    deaths.append(int(event["Actor"]["Attributes"]["exitCode"]))

    async def run(self, rounds: int, seed: int) -> None:
        numbers = iter(range(rounds))

        async def work() -> None:
            for number in numbers:
                self.chaos.is_tame = number > rounds * 0.8
                await self.round(number, random.Random(f"{seed}-{number}"))

        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(work())

    async def check_kept(self) -> None:
        """What was not removed is there with its code and its log; nothing else is."""
        listed = (await self.get("/containers/json?all=1")).json()
        assert {each["Id"] for each in listed} == set(self.kept)
        for life in self.kept.values():
            self.check_code(life, await self.state(life))
            await self.check_log(life)
            await self.remove(life)
        self.kept.clear()


@asynccontextmanager
async def running(work: Any) -> AsyncIterator[None]:
    """A task for as long as the block lasts; what went wrong in it is told."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        is_early = task.done()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert not is_early


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with serving(tmp_path / "e", "crash") as made:
        yield made


async def crash(engine: Engine, folder: Path, rounds: int, pause: float) -> None:
    seed = int(os.environ.get("BERTH_CRASH_SEED") or random.SystemRandom().randrange(10**6))
    print(f"BERTH_CRASH_SEED={seed}")
    folder.mkdir()
    chaos = Chaos(engine, random.Random(seed), pause)
    async with opened(engine) as api:
        loop = Loop(engine, api, chaos, folder)
        await load_image(api)
        await warm_up(loop)
        before = await asyncio.to_thread(settled, engine)
        async with running(loop.listen()):
            async with running(chaos.run()):
                await loop.run(rounds, seed)
            print(f"killed: {chaos.counts}")
            await loop.check_kept()
        await warm_up(loop)  # with a zygote, if the last one was killed
    eventually(
        lambda: not differences(before, leftovers(engine)) or None,
        seconds=30,
        what=f"nothing is left over: {differences(before, leftovers(engine))}",
    )


async def warm_up(loop: Loop) -> None:
    """Some whole lives, so that everything that stays for good is there before the comparison.

    What waits for the next container has made ahead what the last one wanted: each that waits has
    followed one by then.
    """
    for _ in range(WARMING):
        await loop.round(-1 - len(list(loop.folder.glob("c-*"))), random.Random(0))
        await loop.check_kept()


def settled(engine: Engine) -> dict[str, object]:
    """The footprint once it has stayed the same for half a second."""
    looks: list[dict[str, object]] = []

    def look() -> dict[str, object] | None:
        looks.append(leftovers(engine))
        recent = looks[-25:]
        return (
            looks[-1] if len(recent) == 25 and all(each == recent[0] for each in recent) else None
        )

    return eventually(look, seconds=20, what="the engine is at rest")


async def test_25_rounds_of_killed_processes_lose_nothing(engine: Engine, tmp_path: Path) -> None:
    await crash(engine, tmp_path / "side", 25, PAUSE)


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_500_rounds_of_killed_processes_lose_nothing(engine: Engine, tmp_path: Path) -> None:
    await crash(engine, tmp_path / "side", ROUNDS, PAUSE)
