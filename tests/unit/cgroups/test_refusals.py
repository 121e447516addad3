"""What is malformed in linux.resources is refused by the field's name, before anything exists."""

from typing import Any

import pytest

from engine.errors import InvalidArgument
from engine.runtime.fields import Fields
from engine.runtime.limits import check_resources


def check(resources: dict[str, Any]) -> list[str]:
    warnings: list[str] = []
    check_resources(Fields({"resources": resources}, "linux"), warnings)
    return warnings


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"cpu": {"idle": 2}}, r"linux.resources.cpu.idle: must be .*, got 2"),
        ({"cpu": {"burst": -1}}, r"linux.resources.cpu.burst: must be .*, got -1"),
        ({"cpu": {"realtimeRuntime": "x"}}, "linux.resources.cpu.realtimeRuntime"),
        (
            {"blockIO": {"weightDevice": [{"major": 8, "weight": 10}]}},
            r"linux.resources.blockIO.weightDevice\[0\].minor: missing",
        ),
        (
            {"hugepageLimits": [{"pageSize": "2M", "limit": 1}]},
            r"linux.resources.hugepageLimits\[0\].pageSize: must be like 2MB or 1GB, got '2M'",
        ),
        (
            {"hugepageLimits": [{"pageSize": "2MB"}]},
            r"linux.resources.hugepageLimits\[0\].limit: missing",
        ),
        ({"rdma": {"a b": {}}}, "linux.resources.rdma: not a device name: 'a b'"),
        ({"rdma": {"mlx": {"hcaHandles": -1}}}, "linux.resources.rdma.mlx.hcaHandles"),
        ({"unified": {"cgroup.procs": "1"}}, "not a file that sets a limit: 'cgroup.procs'"),
        ({"unified": {"../memory.max": "1"}}, "not a file that sets a limit"),
        ({"unified": {"memory/max": "1"}}, "not a file that sets a limit"),
        ({"unified": {"memory.high": ""}}, "linux.resources.unified.memory.high: must not be"),
        ({"unified": {"memory.high": 1}}, "linux.resources.unified.memory.high: must be a string"),
    ],
)
def test_it_names_the_field(resources: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        check(resources)


def test_everything_there_is_passes_without_a_warning() -> None:
    resources = {
        "memory": {"limit": 1, "checkBeforeUpdate": True, "useHierarchy": True},
        "cpu": {"burst": 0, "idle": 1, "realtimeRuntime": -1, "realtimePeriod": 1},
        "blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 10}]},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 2**64 - 1}],
        "rdma": {"mlx5_0": {"hcaHandles": 1, "hcaObjects": 2}},
        "unified": {"hugetlb.2MB.rsvd.max": "max", "io.max": "8:0 rbps=1\n8:1 rbps=2"},
    }
    assert check(resources) == []
