"""An engine that finds much of an earlier one, some of it broken, serves soon and says what is."""

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import eventually
from tests.system.engine_api import IMAGE, Api, Engine, kill_process, load_image, opened, serving

pytestmark = pytest.mark.root

FEW, MANY = 24, 200
BOUND = 10.0
"""Seconds until it answers, beside what an engine takes that finds nothing; about four of them go
to monitors that do not answer."""
BROKEN = ("stopped", "deaf", "garbled", "killed", "ended")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with serving(tmp_path / "e", "restore") as made:
        yield made


async def test_24_containers(engine: Engine) -> None:
    await restored(engine, FEW, 1)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_200_containers(engine: Engine) -> None:
    await restored(engine, MANY, 5)


async def restored(engine: Engine, count: int, each: int) -> None:
    """Of `count` containers `each` of every kind is broken; the others are none the worse."""
    engine.kill()
    usual = await restart(engine)
    async with opened(engine) as api:
        await load_image(api)
        names = await run_all(api, count)
    owners = {owner: pid for pid, owner in engine.monitors().items() if owner}
    keys = iter(names)
    kinds = {kind: [next(keys) for _ in range(each)] for kind in BROKEN}
    engine.kill()
    async with broken(engine, kinds, owners):
        took = await restart(engine)
        print(f"{count} containers: served after {took:.2f} s, none after {usual:.2f} s")
        assert took < usual + BOUND
        async with opened(engine) as api:
            states = {key: await state(api, key) for key in names}
            said = (await api.call("GET", "/berth/v1/info")).json()["warnings"]
            check(states, kinds, said, names)
            await remove_the_dumb(api, kinds)
    async with opened(engine) as api:
        for key in kinds["stopped"]:  # it goes on, and is found without a restart
            await stopped(api, key)


async def restart(engine: Engine) -> float:
    """The seconds until it answers."""
    begun = time.monotonic()
    await engine.restart()
    return time.monotonic() - begun


async def run_all(api: Api, count: int) -> dict[str, str]:
    """Names by id."""
    names = {}
    for number in range(count):
        body = {
            "Image": IMAGE,
            "Cmd": ["sh", "-c", "while [ ! -e /go ]; do sleep 1; done; exit 6"],
            "HostConfig": {"NetworkMode": "none"},
        }
        made = await api.call("POST", f"/containers/create?name=n{number}", body)
        names[made.json()["Id"]] = f"n{number}"
        started = await api.call("POST", f"/containers/{made.json()['Id']}/start")
        assert started.status == 204, started.body
    return names


@asynccontextmanager
async def broken(
    engine: Engine, kinds: dict[str, list[str]], owners: dict[str, int]
) -> AsyncIterator[None]:
    bundles = engine.folder / "run" / "bundles"
    sockets = [take_socket(bundles / key) for key in kinds["deaf"]]
    for key in kinds["stopped"]:
        os.kill(owners[key], signal.SIGSTOP)
    for key in kinds["garbled"]:
        (bundles / key / "state.json").write_text('{"berth": 7')
    for key in kinds["killed"]:
        kill_process(owners[key])
    for key in kinds["ended"]:
        pid = json.loads((bundles / key / "state.json").read_text())["pid"]
        Path(f"/proc/{pid}/root/go").touch()
        exit_path = engine.folder / "data" / "containers" / key / "exit.json"
        await asyncio.to_thread(eventually, exit_path.exists, what="its exit is written down")
    try:
        yield
    finally:
        for listener in sockets:
            listener.close()
        for key in kinds["stopped"]:
            with suppress(ProcessLookupError):
                os.kill(owners[key], signal.SIGCONT)


def take_socket(bundle: Path) -> socket.socket:
    """In the place of the monitor's: takes connections and never answers."""
    path = bundle / "monitor.sock"
    path.unlink()
    listener = socket.socket(socket.AF_UNIX)
    directory = os.open(bundle, os.O_PATH)
    listener.bind(f"/proc/self/fd/{directory}/monitor.sock")
    os.close(directory)
    listener.listen(1)
    return listener


def check(
    states: dict[str, Any], kinds: dict[str, list[str]], said: list[str], names: dict[str, str]
) -> None:
    codes = {"killed": 255, "ended": 6}
    for kind, code in codes.items():
        for key in kinds[kind]:
            assert (states[key]["Status"], states[key]["ExitCode"]) == ("exited", code), kind
    for kind in ("stopped", "deaf", "killed", "garbled"):
        for key in kinds[kind]:
            assert any(names[key] in line for line in said), (kind, said)
    well = set(names) - {key for kind in kinds if kind != "garbled" for key in kinds[kind]}
    assert {states[key]["Status"] for key in well} == {"running"}


async def remove_the_dumb(api: Api, kinds: dict[str, list[str]]) -> None:
    """One that nobody can speak with is said to be so, and can be removed by force."""
    for key in kinds["deaf"]:
        refused = await api.call("POST", f"/containers/{key}/stop?t=0")
        assert (refused.status, "does not answer" in refused.message) == (503, True)
        assert (await api.call("DELETE", f"/containers/{key}?force=1")).status == 204


async def stopped(api: Api, key: str) -> None:
    deadline = time.monotonic() + 30
    while (answer := await api.call("POST", f"/containers/{key}/stop?t=0")).status != 204:
        assert answer.status == 503, answer.body
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    assert (await state(api, key))["ExitCode"] == 137


async def state(api: Api, key: str) -> Any:
    return (await api.call("GET", f"/containers/{key}/json")).json()["State"]
