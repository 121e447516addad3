"""Versions, errors and bodies: what every request has in common."""

import asyncio
import json
from io import BytesIO

import pytest

from engine import errors
from engine.dockerapi.call import MAX_BODY
from engine.dockerapi.errors import STATUS, status_of
from tests.unit.dockerapi.conftest import DEADLINE, Api, read_head


@pytest.mark.parametrize("prefix", ["", "/v1.24", "/v1.47"])
async def test_every_served_version_answers(api: Api, prefix: str) -> None:
    assert (await api.call("GET", f"{prefix}/_ping"))[0] == 200


async def test_a_newer_client_is_told_the_maximum(api: Api) -> None:
    status, body = await api.call("GET", "/v1.50/version")
    assert status == 400
    assert body == {
        "message": "client version 1.50 is too new. Maximum supported API version is 1.47"
    }


async def test_an_older_client_is_told_the_minimum(api: Api) -> None:
    status, body = await api.call("GET", "/v1.23/version")
    assert status == 400
    assert body["message"].startswith(
        "client version 1.23 is too old. Minimum supported API version is 1.24"
    )


@pytest.mark.parametrize("path", ["/nowhere", "/", "/containers", "/v1.47", "/v1.x/_ping"])
async def test_an_unknown_path_is_not_found(api: Api, path: str) -> None:
    assert await api.call("GET", path) == (404, {"message": "page not found"})


async def test_a_wrong_method_is_not_found(api: Api) -> None:
    assert (await api.call("PATCH", "/version"))[0] == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_ping_says_what_clients_negotiate_from(api: Api, method: str) -> None:
    async with api.client.request(method, "http://berth/_ping") as response:
        assert response.headers["Api-Version"] == "1.47"
        assert response.headers["Ostype"] == "linux"
        assert response.headers["Docker-Experimental"] == "false"
        assert await response.text() == ("OK" if method == "GET" else "")


async def test_a_programming_error_is_500_with_a_message(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    api.containers.add("web")
    status, body = await api.call("POST", "/containers/web/kill")
    assert status == 500
    assert body == {"message": "ZeroDivisionError: a programming error"}
    assert "a programming error" in caplog.text


async def test_bad_http_is_answered_in_json(api: Api) -> None:
    reader, writer = await api.raw("this is not HTTP\n\n")
    head = await read_head(reader)
    assert head.startswith("HTTP/1.1 400 ") or head.startswith("HTTP/1.0 400 ")
    body = await asyncio.wait_for(reader.read(-1), DEADLINE)
    assert json.loads(body)["message"]
    writer.close()


def _subclasses(kind: type[errors.EngineError]) -> set[type[errors.EngineError]]:
    return {kind}.union(*(_subclasses(child) for child in kind.__subclasses__()))


def test_no_error_is_untranslated() -> None:
    assert _subclasses(errors.EngineError) - {errors.EngineError} <= set(STATUS)


def test_an_error_takes_the_status_of_its_nearest_class() -> None:
    class Special(errors.NotRunning):
        pass

    assert status_of(Special()) == 409


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "request body: not valid JSON"),
        (b"[1]", "request body: must be a JSON object"),
        (b"\xff\xfe", "request body: not valid JSON"),
        (b"[" * 100_000, "request body: not valid JSON"),
        (b'{"Env": "A=1", "Tty": "yes"}', 'Tty: must be true or false, got "yes"'),
        (b'{"Labels": {"a": 1}}', 'Labels: must be an object of strings, got {"a": 1}'),
        (b'{"Cmd": [1]}', "Cmd: must be a list of strings, got [1]"),
        (b'{"HostConfig": []}', "HostConfig: must be an object, got []"),
        (
            b'{"HostConfig": {"Memory": "1g"}}',
            'HostConfig.Memory: must be a whole number, got "1g"',
        ),
        (b'{"HostConfig": {"Memory": 1.5}}', "HostConfig.Memory: must be a whole number, got 1.5"),
        (b'{"HostConfig": {"Memory": true}}', "HostConfig.Memory: must be a whole number"),
        (b'{"HostConfig": {"Memory": 1' + b"0" * 30 + b"}}", "HostConfig.Memory: must be a 64-bit"),
        (b'{"HostConfig": {"Ulimits": [1]}}', "HostConfig.Ulimits[0]: must be an object, got 1"),
        (
            b'{"HostConfig": {"Ulimits": [{"Name": "nofile", "Soft": "x"}]}}',
            "HostConfig.Ulimits[0].Soft: must be a whole number",
        ),
        (
            b'{"HostConfig": {"PortBindings": {"99999/tcp": null}}}',
            "HostConfig.PortBindings: invalid port '99999/tcp'",
        ),
    ],
)
async def test_a_bad_create_names_the_field(api: Api, body: bytes, message: str) -> None:
    status, answer = await api.call("POST", "/containers/create", data=body)
    assert status == 400
    assert message in answer["message"]
    assert api.containers.created == []


async def test_a_body_over_the_bound_is_refused(api: Api) -> None:
    status, answer = await api.call(
        "POST", "/containers/create", data=BytesIO(b" " * (MAX_BODY + 1))
    )
    assert status == 400
    assert "longer than" in answer["message"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/containers/web/stop?t=soon", "t"),
        ("/containers/web/resize?h=x&w=1", "h"),
        ("/containers/web/resize?h=1", "w"),
        ("/containers/web/resize?h=99999&w=1", "h"),
        ("/containers/web/stop?t=" + "9" * 30, "t"),
    ],
)
async def test_a_bad_number_in_the_query_is_named(api: Api, path: str, name: str) -> None:
    api.containers.add("web")
    status, body = await api.call("POST", path)
    assert status == 400
    assert body["message"].startswith(f"{name}: ")


@pytest.mark.parametrize("filters", ["{", "[]", '{"label": 1}', '{"status": [1]}'])
async def test_bad_filters_are_refused(api: Api, filters: str) -> None:
    status, body = await api.call("GET", "/containers/json", params={"filters": filters})
    assert status == 400
    assert "filters" in body["message"]


async def test_a_verb_goes_on_when_its_client_leaves(api: Api) -> None:
    api.containers.add("web")
    _, writer = await api.raw("POST /containers/web/stop HTTP/1.1\nHost: berth\n\n")
    await asyncio.wait_for(api.containers.stopping.wait(), DEADLINE)
    writer.transport.abort()
    api.containers.may_stop.set()
    await asyncio.wait_for(api.containers.stopped.wait(), DEADLINE)


async def test_one_connection_serves_many_requests(api: Api) -> None:
    api.containers.add("web")
    request = "GET /containers/web/json HTTP/1.1\nHost: berth\n\n"
    reader, writer = await api.raw(request * 3)
    for _ in range(3):
        head = await read_head(reader)
        length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
        assert json.loads(await reader.readexactly(length))["Name"] == "/web"
    writer.close()


async def test_a_client_that_waits_for_100_gets_it(api: Api) -> None:
    head = "POST /images/load HTTP/1.1\nHost: b\nExpect: 100-continue\nContent-Length: 3\n\n"
    reader, writer = await api.raw(head)
    assert await read_head(reader) == "HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"tar")
    assert (await read_head(reader)).startswith("HTTP/1.1 200 OK\r\n")
    assert api.images.loaded == b"tar"


async def test_an_upload_that_breaks_off_ends_the_work(api: Api) -> None:
    head = "POST /images/load HTTP/1.1\nHost: b\nContent-Length: 1000\n\nhalf"
    _, writer = await api.raw(head)
    await asyncio.wait_for(api.images.loading.wait(), DEADLINE)
    writer.transport.abort()
    await asyncio.wait_for(api.images.broken_off.wait(), DEADLINE)
    assert api.images.loaded == b""


async def test_half_a_surrogate_pair_is_no_character(api: Api) -> None:
    body = rb'{"Image": "busybox", "Cmd": ["\ud800", "\ud83d\ude00"]}'
    assert (await api.call("POST", "/containers/create", data=body))[0] == 201
    assert api.containers.created[0][1].cmd == ("?", "\U0001f600")


async def test_a_name_that_is_no_text_does_not_hide_the_others(api: Api) -> None:
    api.containers.add("web")
    api.containers.add("bad\udcff")
    status, body = await api.call("GET", "/containers/json")
    assert status == 200
    assert [item["Names"] for item in body] == [["/web"], ["/bad?"]]
