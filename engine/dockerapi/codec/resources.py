"""Resources: the limits, in HostConfig and in an update request. Units are Docker's."""

from typing import Any

from engine.containers.model import Device, DeviceRate, Resources, Ulimit
from engine.dockerapi.fields import Fields
from engine.errors import Unsupported

# Kernel and hardware features that are asked for by name and would be dropped in silence.
_UNSUPPORTED = {
    "DeviceRequests": "GPUs and other device requests",
    "DeviceCgroupRules": "device cgroup rules",
    "BlkioWeightDevice": "block I/O weights by device",
}


def read_resources(fields: Fields) -> Resources:
    """Raises InvalidArgument for a wrong type and Unsupported for what would have no effect."""
    for key, words in _UNSUPPORTED.items():
        if fields.list_length(key):
            raise Unsupported(f"{words} are not available yet ({fields.name(key)})")
    return Resources(
        memory=fields.integer("Memory"),
        memory_swap=fields.integer("MemorySwap"),
        memory_reservation=fields.integer("MemoryReservation"),
        memory_swappiness=_swappiness(fields),
        oom_kill_disable=fields.flag("OomKillDisable"),
        nano_cpus=fields.integer("NanoCpus"),
        cpu_period=fields.integer("CpuPeriod"),
        cpu_quota=fields.integer("CpuQuota"),
        cpu_shares=fields.integer("CpuShares"),
        cpuset_cpus=fields.text("CpusetCpus"),
        cpuset_mems=fields.text("CpusetMems"),
        pids_limit=fields.optional_integer("PidsLimit"),
        blkio_weight=fields.integer("BlkioWeight"),
        device_read_bps=_read_rates(fields, "BlkioDeviceReadBps"),
        device_write_bps=_read_rates(fields, "BlkioDeviceWriteBps"),
        device_read_iops=_read_rates(fields, "BlkioDeviceReadIOps"),
        device_write_iops=_read_rates(fields, "BlkioDeviceWriteIOps"),
    )


def write_resources(resources: Resources) -> dict[str, Any]:
    return {
        "CpuShares": resources.cpu_shares,
        "Memory": resources.memory,
        "NanoCpus": resources.nano_cpus,
        "CgroupParent": "",
        "BlkioWeight": resources.blkio_weight,
        "BlkioWeightDevice": [],
        "BlkioDeviceReadBps": _write_rates(resources.device_read_bps),
        "BlkioDeviceWriteBps": _write_rates(resources.device_write_bps),
        "BlkioDeviceReadIOps": _write_rates(resources.device_read_iops),
        "BlkioDeviceWriteIOps": _write_rates(resources.device_write_iops),
        "CpuPeriod": resources.cpu_period,
        "CpuQuota": resources.cpu_quota,
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "CpusetCpus": resources.cpuset_cpus,
        "CpusetMems": resources.cpuset_mems,
        "DeviceCgroupRules": None,
        "DeviceRequests": None,
        "MemoryReservation": resources.memory_reservation,
        "MemorySwap": resources.memory_swap,
        "MemorySwappiness": resources.memory_swappiness,
        "OomKillDisable": resources.oom_kill_disable,
        "PidsLimit": resources.pids_limit,
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
    }


def read_ulimits(fields: Fields) -> tuple[Ulimit, ...]:
    return tuple(
        Ulimit(item.text("Name"), item.integer("Soft"), item.integer("Hard"))
        for item in fields.objects("Ulimits")
    )


def write_ulimits(ulimits: tuple[Ulimit, ...]) -> list[dict[str, Any]]:
    return [{"Name": item.name, "Hard": item.hard, "Soft": item.soft} for item in ulimits]


def read_devices(fields: Fields) -> tuple[Device, ...]:
    return tuple(
        Device(
            path_on_host=item.text("PathOnHost"),
            path_in_container=item.text("PathInContainer") or item.text("PathOnHost"),
            permissions=item.text("CgroupPermissions") or "rwm",
        )
        for item in fields.objects("Devices")
    )


def write_devices(devices: tuple[Device, ...]) -> list[dict[str, Any]]:
    return [
        {
            "PathOnHost": item.path_on_host,
            "PathInContainer": item.path_in_container,
            "CgroupPermissions": item.permissions,
        }
        for item in devices
    ]


def _swappiness(fields: Fields) -> int | None:
    """The command line says -1 for "not given"."""
    value = fields.optional_integer("MemorySwappiness")
    return None if value == -1 else value


def _read_rates(fields: Fields, key: str) -> tuple[DeviceRate, ...]:
    return tuple(
        DeviceRate(item.text("Path"), item.integer("Rate")) for item in fields.objects(key)
    )


def _write_rates(rates: tuple[DeviceRate, ...]) -> list[dict[str, Any]]:
    return [{"Path": item.path, "Rate": item.rate} for item in rates]
