"""Images, system, networks, and what is not there yet."""

import asyncio
import json
from io import BytesIO

import pytest

from engine.events import Event
from tests.unit.dockerapi.conftest import DEADLINE, Api, read_head


async def test_an_image_name_may_hold_slashes_and_a_port(api: Api) -> None:
    name = "127.0.0.1:5056/team/app:1"
    _, body = await api.call("GET", f"/v1.47/images/{name}/json")
    assert body["RepoTags"] == [name]
    assert body["Config"]["Cmd"] == ["sh"]
    assert (await api.call("GET", f"/images/{name}/history"))[0] == 200
    assert (await api.call("DELETE", f"/images/{name}"))[0] == 200


async def test_tag_joins_repository_and_tag(api: Api) -> None:
    status, _ = await api.call("POST", "/images/busybox:latest/tag?repo=127.0.0.1:5056/bb&tag=1")
    assert status == 201
    assert api.images.tagged == [("busybox:latest", "127.0.0.1:5056/bb:1")]


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({}, 2),
        ({"reference": ["busybox"]}, 1),
        ({"reference": ["busy*:lat*"]}, 1),
        ({"reference": ["*/team/*"]}, 1),
        ({"reference": ["*"]}, 1),
        ({"dangling": ["true"]}, 0),
        ({"label": ["k=v"]}, 2),
        ({"label": ["k=w"]}, 0),
        ({"before": ["busybox:latest"]}, 0),
    ],
)
async def test_image_filters(api: Api, filters: dict[str, list[str]], count: int) -> None:
    _, body = await api.call("GET", "/images/json", params={"filters": json.dumps(filters)})
    assert len(body) == count


async def test_an_unknown_image_filter_is_refused(api: Api) -> None:
    status, body = await api.call("GET", "/images/json", params={"filters": '{"colour":["x"]}'})
    assert (status, body) == (400, {"message": "invalid filter 'colour'"})


async def test_a_pull_says_what_to_do_instead(api: Api) -> None:
    path = "/images/create?fromImage=docker.io%2Flibrary%2Falpine&tag=3"
    status, body = await api.call("POST", path)
    assert status == 404
    assert body["message"].startswith("cannot pull alpine:3: pulling from a registry is not")
    assert "berth image from-host" in body["message"]


async def test_a_pull_of_no_name_is_a_bad_request(api: Api) -> None:
    assert (await api.call("POST", "/images/create?fromImage=UPPER"))[0] == 400


async def test_load_takes_the_body_as_it_comes(api: Api) -> None:
    status, body = await api.call("POST", "/images/load?quiet=1", data=BytesIO(b"x" * 3_000_000))
    assert (status, body) == (200, {"stream": "Loaded image: busybox:latest\n"})
    assert len(api.images.loaded) == 3_000_000


async def test_import_answers_with_the_id(api: Api) -> None:
    _, body = await api.call("POST", "/images/create?fromSrc=-&repo=imp:1", data=b"tar")
    assert body["status"].startswith("sha256:")


async def test_from_host_tells_progress_and_id(api: Api) -> None:
    document = {"programs": ["sh"], "reference": "host:latest"}
    url = "http://berth/berth/v1/images/from-host"
    async with api.client.post(url, json=document) as response:
        lines = [json.loads(line) async for line in response.content]
    assert lines[0] == {"stream": "copying sh\n"}
    assert lines[1]["aux"]["ID"].startswith("sha256:")


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("nosuch", "no program named nosuch on this host"),
        ("forbidden", "[Errno 1] Operation not permitted: 'bin'"),
    ],
)
async def test_from_host_tells_failure_in_band(api: Api, program: str, words: str) -> None:
    document = {"programs": [program], "reference": "host:latest"}
    url = "http://berth/berth/v1/images/from-host"
    async with api.client.post(url, json=document) as response:
        lines = [json.loads(line) async for line in response.content]
    assert lines[-1]["error"] == words
    assert lines[-1]["errorDetail"] == {"message": lines[-1]["error"]}


async def test_events_flush_the_head_and_come_as_lines(api: Api) -> None:
    filters = "%7B%22type%22%3A%7B%22container%22%3Atrue%7D%7D"
    reader, writer = await api.raw(f"GET /v1.47/events?filters={filters} HTTP/1.1\nHost: b\n\n")
    assert (await read_head(reader)).startswith("HTTP/1.1 200 OK")
    exchange = api.rooms.events
    exchange.publish(Event("image", "tag", "i"))  # type: ignore[attr-defined]
    exchange.publish(Event("container", "start", "c", {"image": "bb"}))  # type: ignore[attr-defined]
    await asyncio.wait_for(reader.readline(), DEADLINE)
    event = json.loads(await asyncio.wait_for(reader.readline(), DEADLINE))
    assert (event["Type"], event["Action"], event["from"]) == ("container", "start", "bb")
    assert event["timeNano"] // 10**9 == event["time"]
    writer.close()


async def test_events_that_are_over_end(api: Api) -> None:
    api.rooms.events.publish(Event("container", "start", "c"))  # type: ignore[attr-defined]
    status, body = await api.call("GET", "/events?since=1&until=2")
    assert (status, body) == (200, b"")


async def test_info_and_version_have_what_clients_read(api: Api) -> None:
    api.containers.add("web")
    _, info = await api.call("GET", "/info")
    assert (info["Containers"], info["ContainersRunning"], info["Images"]) == (1, 1, 2)
    assert info["Swarm"]["LocalNodeState"] == "inactive"
    assert info["Warnings"] == ["look out"]
    assert info["CgroupVersion"] == "1"
    assert (info["MemoryLimit"], info["PidsLimit"]) == (True, False)
    _, version = await api.call("GET", "/version")
    assert version["ApiVersion"] == "1.47"
    assert version["Components"][0]["Details"]["Os"] == "linux"


async def test_disk_use_by_type(api: Api) -> None:
    api.containers.add("web")
    _, every = await api.call("GET", "/system/df")
    assert every["LayersSize"] == 123
    assert (len(every["Images"]), len(every["Containers"])) == (2, 1)
    _, images = await api.call("GET", "/system/df?type=image")
    assert images["Containers"] is None
    assert (await api.call("GET", "/system/df?type=x"))[0] == 400


async def test_an_untyped_inspect_finds_its_way_to_no_such_object(api: Api) -> None:
    for path in ("containers/x/json", "images/x/json", "networks/x", "volumes/x"):
        assert (await api.call("GET", f"/{path}"))[0] == 404
    assert (await api.call("GET", "/plugins/x/json"))[0] == 404
    assert (await api.call("GET", "/swarm"))[0] == 503


async def test_predefined_networks(api: Api) -> None:
    _, found = await api.call("GET", "/networks")
    assert {item["Name"]: item["Driver"] for item in found} == {"host": "host", "none": "null"}
    _, one = await api.call("GET", f"/networks/{found[0]['Id'][:12]}")
    assert one["Name"] == found[0]["Name"]
    assert (await api.call("DELETE", "/networks/host"))[0] == 403
    filters = {"filters": '{"driver":{"bridge":true}}'}
    assert (await api.call("GET", "/networks", params=filters))[1] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/commit"),
        ("POST", "/build"),
        ("GET", "/containers/web/export"),
        ("GET", "/images/get?names=x"),
        ("POST", "/images/127.0.0.1:5056/bb/push"),
        ("POST", "/auth"),
        ("POST", "/volumes/create"),
    ],
)
async def test_what_comes_later_says_so(api: Api, method: str, path: str) -> None:
    status, body = await api.call(method, path)
    assert status == 501
    assert body["message"].endswith("is not available yet")


async def test_system_prune_finds_every_prune(api: Api) -> None:
    for area in ("containers", "networks", "volumes", "images", "build"):
        assert (await api.call("POST", f"/{area}/prune"))[0] == 200


async def test_berth_info_history_stream_and_metrics(api: Api) -> None:
    _, info = await api.call("GET", "/berth/v1/info")
    assert info["features"] == ["history", "metrics-stream", "from-host"]
    _, history = await api.call("GET", "/berth/v1/metrics/history")
    assert history["columns"]["t"] == [1.0]
    assert (await api.call("GET", "/berth/v1/metrics/history?container=nosuch"))[0] == 404
    _, sweep = await api.call("GET", "/berth/v1/metrics/stream")
    assert sweep["t"] == 1.0
    assert await api.call("GET", "/metrics") == (200, b"berth_containers 1\n")
