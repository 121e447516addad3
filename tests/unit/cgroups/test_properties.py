"""Limits in systemd's words."""

import pytest

from engine.errors import InvalidArgument
from engine.runtime.cgroups import Layout, Rate, Resources, properties
from engine.runtime.cgroups.systemd import Scope

INFINITY = 2**64 - 1


def of(wanted: Resources, version: int = 2) -> dict[str, object]:
    return {name: value for name, (_, value) in properties.of(wanted, version=version)}


def test_limits_of_every_kind() -> None:
    wanted = Resources(
        memory=64,
        memory_swap=80,
        memory_reservation=32,
        cpu_quota=50_000,
        cpu_period=100_000,
        cpu_shares=1024,
        cpuset_cpus="0-2,9",
        pids_limit=7,
        blkio_weight=500,
        throttle_read_bps=(Rate(8, 0, 1024),),
        throttle_write_iops=(Rate(8, 16, 0),),
        unified=(("memory.high", "max"), ("memory.min", "5"), ("io.max", "8:0 rbps=1")),
    )
    assert of(wanted) == {
        "MemoryMax": 64,
        "MemorySwapMax": 16,
        "MemoryLow": 32,
        "CPUQuotaPerSecUSec": 500_000,
        "CPUQuotaPeriodUSec": 100_000,
        "CPUWeight": 39,
        "AllowedCPUs": b"\x07\x02",
        "TasksMax": 7,
        "IOWeight": 4950,
        "IOReadBandwidthMax": [("/dev/block/8:0", 1024)],
        "IOWriteIOPSMax": [("/dev/block/8:16", INFINITY)],
        "MemoryHigh": INFINITY,
        "MemoryMin": 5,
    }


def test_no_limit_is_infinity() -> None:
    lifted = of(Resources(memory=-1, cpu_quota=-1, pids_limit=0))
    assert set(lifted.values()) == {INFINITY}


def test_a_quota_between_two_steps_is_not_made_smaller() -> None:
    assert of(Resources(cpu_quota=12_345, cpu_period=50_000))["CPUQuotaPerSecUSec"] == 250_000


def test_v1_has_other_names_for_less() -> None:
    wanted = Resources(memory=64, cpu_shares=512, cpuset_cpus="0", blkio_weight=100)
    assert of(wanted, version=1) == {"MemoryLimit": 64, "CPUShares": 512}


@pytest.mark.parametrize("text", ["all", "0-7:1/2", "x", ""])
def test_a_set_in_other_words_is_left_to_the_file(text: str) -> None:
    assert of(Resources(cpuset_cpus=text)) == {}


@pytest.mark.parametrize("path", ["system.slice/one", "one.service", "a.scope/b"])
def test_only_a_scope_can_be_asked_for(path: str) -> None:
    with pytest.raises(InvalidArgument, match="not the name of a scope"):
        Scope(Layout("v2", ()), path)
