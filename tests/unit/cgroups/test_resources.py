"""From OCI's linux.resources to one flat value, and what may be imported on the way."""

import subprocess
import sys

from engine.runtime.cgroups import DeviceRule, Rate, Rdma, Resources, Weight


def test_every_field_is_read() -> None:
    document = {
        "memory": {
            "limit": 1,
            "swap": 2,
            "reservation": 3,
            "swappiness": 0,
            "disableOOMKiller": True,
        },
        "cpu": {"quota": -1, "period": 4, "shares": 5, "cpus": "0-1", "mems": "0"},
        "pids": {"limit": -1},
        "blockIO": {
            "weight": 6,
            "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 7}],
            "throttleWriteIOPSDevice": [{"major": 8, "minor": 1, "rate": 8}],
        },
        "devices": [
            {"allow": False, "access": "rwm"},
            {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rw"},
            {"allow": True, "type": "c", "major": 136, "minor": -1},
        ],
    }
    read = Resources.from_oci(document)
    assert read[:5] == (1, 2, 3, 0, True)
    assert (read.cpu_quota, read.cpu_period, read.cpu_shares) == (-1, 4, 5)
    assert (read.cpuset_cpus, read.cpuset_mems, read.pids_limit) == ("0-1", "0", -1)
    assert (read.blkio_weight, read.throttle_read_bps) == (6, (Rate(8, 0, 7),))
    assert read.throttle_write_iops == (Rate(8, 1, 8),)
    assert read.devices[:3] == (
        DeviceRule(False, "a", None, None, "rwm"),
        DeviceRule(True, "c", 1, 3, "rw"),
        DeviceRule(True, "c", 136, None, "rwm"),
    )


def test_every_rarer_field_is_read() -> None:
    document = {
        "memory": {"checkBeforeUpdate": True},
        "cpu": {"burst": 0, "idle": 1, "realtimeRuntime": 2, "realtimePeriod": 3},
        "blockIO": {
            "weightDevice": [{"major": 8, "minor": 0, "weight": 4}, {"major": 8, "minor": 1}]
        },
        "hugepageLimits": [{"pageSize": "2MB", "limit": 0}],
        "rdma": {"mlx5_0": {"hcaHandles": 5}},
        "unified": {"memory.high": "6"},
    }
    read = Resources.from_oci(document)
    assert read[17:] == (
        *(True, 0, 1, 2, 3),
        *((Weight(8, 0, 4),), (("2MB", 0),), (Rdma("mlx5_0", 5, None),), (("memory.high", "6"),)),
    )


def test_devices_every_container_needs_are_allowed_after_a_denial() -> None:
    denied = Resources.from_oci({"devices": [{"allow": False, "access": "rwm"}]}).devices
    assert denied[0] == DeviceRule(False)
    assert DeviceRule(True, "c", 1, 3) in denied
    assert all(rule.allow for rule in denied[1:])
    everything = [{"allow": True, "access": "rwm"}]
    assert Resources.from_oci({"devices": everything}).devices == (DeviceRule(True),)
    given = [{"allow": False}, {"allow": True, "type": "c", "major": 1, "minor": 3}]
    devices = Resources.from_oci({"devices": given}).devices
    assert devices.count(DeviceRule(True, "c", 1, 3)) == 1


def test_absent_and_zero_leave_alone() -> None:
    assert Resources.from_oci({}) == Resources()
    zeros = {"memory": {"limit": 0, "swap": 0}, "cpu": {"quota": 0, "shares": 0}}
    assert Resources.from_oci(zeros) == Resources()


def test_the_monitor_can_afford_the_import() -> None:
    heavy = "{'asyncio', 'threading', 'json', 'dataclasses', 'inspect', 'socket'}"
    code = f"import sys, engine.runtime.cgroups as c; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
