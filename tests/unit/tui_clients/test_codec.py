"""Engine documents to models, complete, sparse and odd."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.clients.docker import codec, stats
from tui.clients.docker.system import agreed_version
from tui.clients.docker.values import timestamp
from tui.clients.errors import (
    BadRequest,
    ClientError,
    Conflict,
    NotFound,
    NotSupported,
    ServerFault,
    from_status,
)
from tui.models import ContainerState, RunRequest

INSPECTED = {
    "Id": "ab" * 32,
    "Name": "/web",
    "Created": "2026-01-02T03:04:05.123456789Z",
    "Path": "sh",
    "Args": ["-c", "echo hi"],
    "RestartCount": 2,
    "State": {
        "Status": "exited",
        "ExitCode": 137,
        "OOMKilled": True,
        "StartedAt": "2026-01-02T03:04:05Z",
        "FinishedAt": "2026-01-02T03:05:05Z",
    },
    "Config": {"Image": "box:1", "Env": ["A=1"], "Labels": {"berth.pod": "p"}},
    "HostConfig": {
        "Memory": 64 << 20,
        "NanoCpus": 500_000_000,
        "PidsLimit": 50,
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 5},
    },
    "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}},
    "Mounts": [{"Type": "bind", "Source": "/a", "Destination": "/b", "RW": False}],
}


def test_a_listed_container() -> None:
    row = codec.container_row(
        {
            "Id": "ab" * 32,
            "Names": ["/other/alias", "/web"],
            "Image": "box:1",
            "State": "exited",
            "Status": "Exited (3) 2 minutes ago",
            "Created": 1767323045,
            "Labels": None,
            "Ports": [{"PrivatePort": 80, "PublicPort": 8080, "Type": "tcp", "IP": "::"}],
        }
    )
    assert (row.name, row.exit_code, row.state) == ("web", 3, ContainerState.EXITED)
    assert row.ports[0].host_port == 8080
    assert not row.detailed


def test_an_inspected_container() -> None:
    detail = codec.container_detail(INSPECTED)
    container = detail.container
    assert (container.name, container.exit_code, container.oom_killed) == ("web", 137, True)
    assert container.limits.cpus == 0.5
    assert (container.limits.memory, container.limits.pids) == (64 << 20, 50)
    assert container.restart_policy == "on-failure:5"
    assert container.command == "sh -c 'echo hi'"
    assert container.ports[0].host_port == 8080
    assert detail.mounts[0].read_only
    assert json.loads(detail.raw_json) == INSPECTED


def test_a_quota_without_nano_cpus_is_a_limit_too() -> None:
    host = {"CpuQuota": 25_000, "CpuPeriod": 50_000}
    assert codec.container_inspected({"HostConfig": host}).limits.cpus == 0.5


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=2))
)
def test_fields_of_a_wrong_type_lose_no_row(odd: object) -> None:
    document = dict.fromkeys([*INSPECTED, "Names", "Ports", "Status", "Labels"], odd)
    assert codec.container_row(document).name is not None
    assert codec.container_detail(document).container is not None


def test_create_sends_only_what_was_asked_for() -> None:
    assert codec.create_body(RunRequest("box:1")) == {
        "Image": "box:1",
        "HostConfig": {"RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}},
    }
    body = codec.create_body(
        RunRequest("box:1", ("sh",), memory=1 << 26, cpus=0.5, restart_policy="on-failure:3")
    )
    assert body["Cmd"] == ["sh"]
    assert body["HostConfig"] == {
        "Memory": 1 << 26,
        "NanoCpus": 500_000_000,
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
    }


def reading(second: int, cpu_seconds: float, **extra: object) -> dict[str, object]:
    return {
        "read": f"2026-01-02T03:04:{second:02}Z",
        "cpu_stats": {
            "cpu_usage": {"total_usage": int(cpu_seconds * 1e9)},
            "throttling_data": {"periods": second * 10, "throttled_periods": second * 5},
        },
        "memory_stats": {"usage": 100, "limit": 1000, "stats": {"total_inactive_file": 40}},
        "pids_stats": {"current": 3, "limit": 50},
        "blkio_stats": {
            "io_service_bytes_recursive": [
                {"op": "Read", "value": second * 100},
                {"op": "write", "value": second * 200},
            ]
        },
        "networks": {"eth0": {"rx_bytes": second * 10, "tx_bytes": second * 20}},
        **extra,
    }


def test_two_readings_make_rates() -> None:
    sample = stats.sample(reading(12, 6.0), reading(10, 5.0))
    assert sample.cpu_cores == pytest.approx(0.5)
    assert sample.throttled_percent == pytest.approx(50)
    assert (sample.block_read_bps, sample.block_write_bps) == (100, 200)
    assert (sample.net_rx_bps, sample.net_tx_bps) == (10, 20)
    assert (sample.memory_bytes, sample.memory_limit) == (60, 1000)
    assert (sample.pids, sample.pids_limit) == (3, 50)


def test_one_reading_has_no_rates() -> None:
    sample = stats.sample(reading(12, 6.0))
    assert (sample.cpu_cores, sample.block_read_bps, sample.throttled_percent) == (None, None, None)


def test_the_size_of_the_host_is_no_limit() -> None:
    assert stats.sample(reading(12, 1.0), host_memory=1000).memory_limit is None
    huge = reading(12, 1.0, memory_stats={"usage": 1, "limit": 9223372036854771712})
    assert stats.sample(huge).memory_limit is None


def test_a_restart_between_readings_makes_no_negative_rate() -> None:
    sample = stats.sample(reading(12, 0.1), reading(10, 5.0))
    assert sample.cpu_cores == 0


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [("1.41", "1.41"), ("1.99", "1.47"), ("1.12", "1.24"), ("", "1.24"), ("x.y", "1.24")],
)
def test_the_newest_version_both_speak(offered: str, agreed: str) -> None:
    assert agreed_version(offered) == agreed


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-02T03:04:05.123456789Z", 1767323045.123456),
        ("2026-01-02T03:04:05.5+01:00", 1767319445.5),
        ("0001-01-01T00:00:00Z", None),
        ("yesterday", None),
        (1767323045, 1767323045.0),
        (None, None),
        (-62135596800, None),
    ],
)
def test_times(text: object, seconds: float | None) -> None:
    assert timestamp(text) == seconds


@pytest.mark.parametrize("status", range(400, 600))
def test_every_error_status_has_its_error(status: int) -> None:
    error = from_status(status, "why")
    assert isinstance(error, ClientError)
    assert (str(error), error.status) == ("why", status)
    assert isinstance(error, ServerFault | NotSupported) == (status >= 500 or status == 405)


def test_the_statuses_that_matter_have_errors_of_their_own() -> None:
    kinds = {400: BadRequest, 404: NotFound, 409: Conflict, 500: ServerFault, 501: NotSupported}
    assert all(type(from_status(status, "")) is kind for status, kind in kinds.items())
