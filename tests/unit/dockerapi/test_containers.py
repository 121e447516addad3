"""Containers over HTTP: records, waiting, logs, statistics."""

import asyncio
import dataclasses
import json
import struct
from typing import Any

from engine.containers.model import LogEntry, Status, WaitResult
from tests.unit.dockerapi.conftest import DEADLINE, Api, read_head
from tests.unit.dockerapi.fakes import make_reading


async def test_create_reads_what_the_client_sends(api: Api) -> None:
    document: dict[str, Any] = {
        "Image": "busybox",
        "Cmd": ["sh"],
        "Env": None,
        "ExposedPorts": {"80/tcp": {}},
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5},
        "HostConfig": {
            "Memory": 64 << 20,
            "NanoCpus": 500_000_000,
            "PidsLimit": 50,
            "MemorySwappiness": -1,
            "NetworkMode": "host",
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
            "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
            "ShmSize": 0,
            "Mounts": [{"Type": "tmpfs", "Target": "/x", "TmpfsOptions": {"SizeBytes": 9}}],
            "ConsoleSize": [24, 80],
        },
    }
    status, body = await api.call("POST", "/containers/create?name=web", json=document)
    assert (status, body) == (201, {"Id": "f" * 64, "Warnings": ["a warning"]})
    name, config, host = api.containers.created[0]
    assert (name, config.image, config.cmd, config.env) == ("web", "busybox", ("sh",), ())
    assert config.entrypoint is None
    assert config.healthcheck is not None
    assert host.resources.memory == 64 << 20
    assert host.resources.pids_limit == 50
    assert host.resources.memory_swappiness is None
    assert host.restart_policy.maximum_retry_count == 3
    assert host.port_bindings[0].host_port == "8080"
    assert host.shm_size == 64 << 20
    assert host.mounts[0].tmpfs_size == 9
    assert host.console_size == (24, 80)


async def test_devices_that_would_be_ignored_are_refused(api: Api) -> None:
    document = {"Image": "busybox", "HostConfig": {"DeviceRequests": [{"Count": -1}]}}
    status, body = await api.call("POST", "/containers/create", json=document)
    assert status == 501
    assert "DeviceRequests" in body["message"]


async def test_inspect_has_what_clients_read(api: Api) -> None:
    api.containers.add("web")
    _, body = await api.call("GET", "/containers/web/json?size=1")
    assert body["Name"] == "/web"
    assert body["Created"] == "2023-11-14T22:13:20.123456789Z"
    assert body["State"]["Status"] == "running"
    assert body["State"]["Running"] is True
    assert body["State"]["FinishedAt"] == "0001-01-01T00:00:00Z"
    assert body["HostConfig"]["NetworkMode"] == "none"
    assert body["HostConfig"]["LogConfig"]["Type"] == "json-file"
    assert body["Config"]["Labels"] == {"a": "b"}
    assert list(body["NetworkSettings"]["Networks"]) == ["none"]
    assert (body["SizeRw"], body["SizeRootFs"]) == (5, 50)


async def test_list_has_what_ps_prints(api: Api) -> None:
    api.containers.add("web")
    _, body = await api.call("GET", "/containers/json?all=1")
    assert body[0]["Names"] == ["/web"]
    assert body[0]["Command"] == "sh -c 'sleep 1'"
    assert body[0]["State"] == "running"
    assert body[0]["Status"].startswith("Up ")
    assert "SizeRw" not in body[0]


async def test_start_of_a_running_container_changes_nothing(api: Api) -> None:
    api.containers.add("web")
    api.containers.add("db", status=Status.EXITED)
    assert (await api.call("POST", "/containers/web/start"))[0] == 304
    assert (await api.call("POST", "/containers/db/start"))[0] == 204


async def test_the_head_of_wait_leaves_before_the_exit(api: Api) -> None:
    container = api.containers.add("web")
    path = f"/v1.47/containers/{container.id}/wait?condition=next-exit"
    reader, writer = await api.raw(f"POST {path} HTTP/1.1\nHost: berth\n\n")
    assert (await read_head(reader)).startswith("HTTP/1.1 200 OK")
    api.containers.exits[container.id].set_result(WaitResult(3))
    chunk = await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), DEADLINE)
    assert b'{"StatusCode":3}' in chunk
    writer.close()


async def test_an_unknown_wait_condition_is_refused(api: Api) -> None:
    api.containers.add("web")
    status, body = await api.call("POST", "/containers/web/wait?condition=never")
    assert (status, body) == (400, {"message": "invalid condition: 'never'"})


async def test_logs_are_framed_by_stream(api: Api) -> None:
    api.containers.add("web")
    api.containers.lines = [LogEntry(1, 1, b"out\n"), LogEntry(2, 2, b"err\n")]
    status, body = await api.call("GET", "/containers/web/logs?stdout=1&stderr=1")
    assert status == 200
    assert body == struct.pack(">BxxxL", 1, 4) + b"out\n" + struct.pack(">BxxxL", 2, 4) + b"err\n"


async def test_timestamps_stand_before_lines_not_before_their_parts(api: Api) -> None:
    api.containers.add("web", tty=True)
    moment = 1_700_000_000_000_000_000
    api.containers.lines = [LogEntry(moment, 1, b"long "), LogEntry(moment, 1, b"line\n")]
    _, body = await api.call("GET", "/containers/web/logs?stdout=1&timestamps=1&details=1")
    assert body == b"2023-11-14T22:13:20.000000000Z  long line\n"


async def test_logs_of_no_stream_are_refused(api: Api) -> None:
    api.containers.add("web")
    status, body = await api.call("GET", "/containers/web/logs")
    assert status == 400
    assert body["message"] == "Bad parameters: you must choose at least one stream"


async def test_stats_in_one_shot_have_empty_precpu(api: Api) -> None:
    api.containers.add("web")
    api.containers.reading = make_reading()
    _, body = await api.call("GET", "/containers/web/stats?stream=0&one-shot=1")
    assert body["cpu_stats"]["cpu_usage"]["total_usage"] == 1000
    assert body["cpu_stats"]["online_cpus"] > 0
    assert body["cpu_stats"]["system_cpu_usage"] > 0
    assert body["precpu_stats"]["cpu_usage"]["total_usage"] == 0
    assert body["memory_stats"]["max_usage"] == 200
    assert body["pids_stats"] == {"current": 3, "limit": 2**64 - 1}
    assert body["blkio_stats"]["io_service_bytes_recursive"][1] == {
        "major": 8,
        "minor": 0,
        "op": "write",
        "value": 20,
    }


async def test_stats_of_v2_have_no_v1_figures(api: Api) -> None:
    api.containers.add("web")
    reading = make_reading()
    api.containers.reading = reading._replace(version=2)
    _, body = await api.call("GET", "/containers/web/stats?stream=0&one-shot=1")
    assert "max_usage" not in body["memory_stats"]


async def test_streamed_stats_carry_the_reading_before(api: Api) -> None:
    api.containers.add("web")
    api.containers.reading = make_reading(1000)
    async with api.client.get("http://berth/containers/web/stats") as response:
        first = json.loads(await asyncio.wait_for(response.content.readline(), DEADLINE))
        api.containers.reading = make_reading(2000)
        second = json.loads(await asyncio.wait_for(response.content.readline(), DEADLINE))
    assert first["precpu_stats"]["cpu_usage"]["total_usage"] == 0
    assert second["precpu_stats"]["cpu_usage"]["total_usage"] == 1000
    assert second["cpu_stats"]["cpu_usage"]["total_usage"] == 2000


async def test_stats_of_a_stopped_container_are_empty(api: Api) -> None:
    api.containers.add("web")
    _, body = await api.call("GET", "/containers/web/stats?stream=0")
    assert body["read"] == "0001-01-01T00:00:00Z"
    assert body["memory_stats"] == {}


async def test_exec_inspect_has_what_clients_read(api: Api) -> None:
    api.containers.add("web")
    status, body = await api.call("POST", "/containers/web/exec", json={"Cmd": ["ls", "-l"]})
    assert status == 201
    session = api.containers.execs[body["Id"]]
    api.containers.execs[session.id] = dataclasses.replace(session, exit_code=2)
    _, body = await api.call("GET", f"/exec/{session.id}/json")
    assert (body["Running"], body["ExitCode"]) == (False, 2)
    assert body["ProcessConfig"]["entrypoint"] == "ls"
    assert body["ProcessConfig"]["arguments"] == ["-l"]


async def test_exec_of_nothing_is_refused(api: Api) -> None:
    api.containers.add("web")
    status, body = await api.call("POST", "/containers/web/exec", json={})
    assert (status, body) == (400, {"message": "No exec command specified"})


async def test_top_update_and_prune(api: Api) -> None:
    api.containers.add("web")
    _, top = await api.call("GET", "/containers/web/top")
    assert top == {"Titles": ["PID", "CMD"], "Processes": [["1", "sh"]]}
    _, update = await api.call("POST", "/containers/web/update", json={"Memory": 1})
    assert update == {"Warnings": ["not enforced"]}
    _, pruned = await api.call("POST", "/containers/prune")
    assert pruned == {"ContainersDeleted": ["1" * 64], "SpaceReclaimed": 10}


async def test_stats_end_when_the_container_is_removed(api: Api) -> None:
    container = api.containers.add("web")
    async with api.client.get("http://berth/containers/web/stats") as response:
        await asyncio.wait_for(response.content.readline(), DEADLINE)
        del api.containers.records[container.id]
        assert await asyncio.wait_for(response.content.read(), DEADLINE) == b""
