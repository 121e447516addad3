"""The same thing asked twice at once, by several clients: dockerd says which answers are right."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import combinations_with_replacement
from typing import Any

import aiohttp
import pytest

from tests.system.conftest import IMAGE
from tests.system.daemons import Daemon

pytestmark = pytest.mark.root

BOUND = 60.0
CLIENTS = 4
"""That ask at the same time, half of them for each verb of a pair."""

Call = tuple[str, str]
VERBS: dict[str, Callable[[str, int], Call]] = {
    "start": lambda name, _: ("POST", f"/containers/{name}/start"),
    "stop": lambda name, _: ("POST", f"/containers/{name}/stop?t=0"),
    "kill": lambda name, _: ("POST", f"/containers/{name}/kill"),
    "restart": lambda name, _: ("POST", f"/containers/{name}/restart?t=0"),
    "remove": lambda name, _: ("DELETE", f"/containers/{name}?force=1"),
    "rename": lambda name, number: ("POST", f"/containers/{name}/rename?name=renamed-{number}"),
}
ALLOWED = {
    "start": {204, 304, 404, 409},
    "stop": {204, 304, 404},
    "kill": {204, 404, 409},
    "restart": {204, 404, 409},
    "remove": {204, 404, 409},
    "rename": {204, 400, 404, 409},
}
PAIRS = list(combinations_with_replacement(VERBS, 2))


class Client:
    """`excused` are statuses that a daemon gives when it stumbles over its own feet: not ours."""

    def __init__(self, http: aiohttp.ClientSession, excused: set[int]) -> None:
        self._http = http
        self.excused = excused

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with asyncio.timeout(BOUND):
            async with self._http.request(method, f"http://d/v1.41{path}", **options) as answer:
                text = await answer.text()
                is_json = answer.content_type == "application/json" and text
                return answer.status, await answer.json() if is_json else text


@asynccontextmanager
async def client_of(daemon: Daemon) -> AsyncIterator[Client]:
    connector = aiohttp.UnixConnector(str(daemon.socket), limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        yield Client(http, {500} if daemon.kind == "dockerd" else set())


async def create(client: Client) -> str:
    body = {
        "Image": IMAGE,
        "Cmd": ["sleep", "1000"],
        "HostConfig": {"NetworkMode": "none"},
    }
    status, made = await client.call("POST", "/containers/create", json=body)
    assert status == 201, made
    return str(made["Id"])


async def ask_at_once(client: Client, key: str, verbs: list[str]) -> list[tuple[str, int, Any]]:
    """The verbs by a client each; answers in the same order."""
    calls = [VERBS[verb](key, number) for number, verb in enumerate(verbs)]
    answers = await asyncio.gather(*(client.call(*call) for call in calls))
    said = [(verb, *answer) for verb, answer in zip(verbs, answers, strict=True)]
    for verb, status, words in said:
        assert status in ALLOWED[verb] | client.excused, (verb, status, words)
    return said


async def check_whole(client: Client, key: str) -> None:
    """It is there with a state that fits together, or gone; and it can be removed."""
    status, found = await client.call("GET", f"/containers/{key}/json")
    gone, _ = await client.call("DELETE", f"/containers/{key}?force=1")
    assert (status, gone) in ((200, 204), (404, 404)), found
    if status == 200:
        state = found["State"]
        assert state["Status"] in ("created", "running", "exited")
        assert state["Running"] == (state["Pid"] != 0)


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
async def test_two_verbs_at_once_on_one_that_runs(daemon: Daemon, one: str, other: str) -> None:
    async with client_of(daemon) as client:
        key = await create(client)
        assert (await client.call("POST", f"/containers/{key}/start"))[0] == 204
        await ask_at_once(client, key, [one, other] * 2)
        await check_whole(client, key)


@pytest.mark.parametrize("other", VERBS)
async def test_a_start_and_another_verb_at_once(daemon: Daemon, other: str) -> None:
    async with client_of(daemon) as client:
        key = await create(client)
        said = await ask_at_once(client, key, ["start", other] * 2)
        if other == "start":
            statuses = sorted(status for _, status, _ in said)
            # dockerd says 204 as well to who waited for its lock while another one started it.
            allowed = (1,) if daemon.kind == "berth" else range(1, 5)
            assert statuses in [[204] * done + [304] * (4 - done) for done in allowed]
        await check_whole(client, key)


async def test_who_asked_while_it_ran_is_told_that_it_is_done(daemon: Daemon) -> None:
    async with client_of(daemon) as client:
        key = await create(client)
        await client.call("POST", f"/containers/{key}/start")
        said = await ask_at_once(client, key, ["stop"] * CLIENTS)
        assert [status for _, status, _ in said] == [204] * CLIENTS
        for verb, status in (("stop", 304), ("kill", 409)):
            assert (await client.call(*VERBS[verb](key, 0)))[0] == status
        await check_whole(client, key)


async def test_one_removal_is_done_and_the_others_are_told_of_it(daemon: Daemon) -> None:
    async with client_of(daemon) as client:
        key = await create(client)
        await client.call("POST", f"/containers/{key}/start")
        said = await ask_at_once(client, key, ["remove"] * CLIENTS)
        assert sorted(status for _, status, _ in said) == [204, 409, 409, 409]
        words = [words["message"] for _, status, words in said if status == 409]
        assert set(words) == {f"removal of container {key} is already in progress"}
        assert (await client.call("DELETE", f"/containers/{key}"))[0] == 404


async def test_one_of_two_gets_the_name(daemon: Daemon) -> None:
    async with client_of(daemon) as client:
        keys = [await create(client), await create(client)]
        calls = (client.call("POST", f"/containers/{key}/rename?name=wanted") for key in keys)
        answers = await asyncio.gather(*calls)
        assert sorted(status for status, _ in answers) == [204, 409]
        for key in keys:
            await check_whole(client, key)


async def test_one_of_two_creates_gets_the_name(daemon: Daemon) -> None:
    async with client_of(daemon) as client:
        body = {"Image": IMAGE, "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}}
        path = "/containers/create?name=wanted"
        answers = await asyncio.gather(
            *(client.call("POST", path, json=body) for _ in range(CLIENTS))
        )
        assert sorted(status for status, _ in answers) == [201, 409, 409, 409]
        await check_whole(client, "wanted")
