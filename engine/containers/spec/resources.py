"""Docker's limits to OCI `linux.resources`."""

import os
import stat
from collections.abc import Iterable
from typing import Any

from engine.containers.model import DeviceRate, Resources
from engine.errors import InvalidArgument

PERIOD = 100_000
"""Microseconds; what `--cpus` is spread over."""


def resources(limits: Resources) -> dict[str, Any]:
    """Raises InvalidArgument for a throttled device that is not a block device."""
    made = {
        "memory": _memory(limits),
        "cpu": _cpu(limits),
        "pids": _pids(limits),
        "blockIO": _block_io(limits),
    }
    return {name: value for name, value in made.items() if value}


def _memory(limits: Resources) -> dict[str, Any]:
    """Docker's swap default: as much again as the memory."""
    swap = limits.memory_swap or (limits.memory * 2 if limits.memory else 0)
    made: dict[str, Any] = {
        "limit": limits.memory,
        "swap": swap,
        "reservation": limits.memory_reservation,
    }
    made = {name: value for name, value in made.items() if value}
    if limits.memory_swappiness not in (None, -1):
        made["swappiness"] = limits.memory_swappiness
    if limits.oom_kill_disable:
        made["disableOOMKiller"] = True
    return made


def _cpu(limits: Resources) -> dict[str, Any]:
    made: dict[str, Any] = {
        "shares": limits.cpu_shares,
        "quota": limits.cpu_quota,
        "period": limits.cpu_period,
        "cpus": limits.cpuset_cpus,
        "mems": limits.cpuset_mems,
    }
    if limits.nano_cpus:
        made["period"], made["quota"] = PERIOD, limits.nano_cpus * PERIOD // 1_000_000_000
    return {name: value for name, value in made.items() if value}


def _pids(limits: Resources) -> dict[str, int]:
    """0 and -1 are no limit; None leaves it to the cgroup."""
    if limits.pids_limit is None:
        return {}
    return {"limit": limits.pids_limit if limits.pids_limit > 0 else -1}


def _block_io(limits: Resources) -> dict[str, Any]:
    made: dict[str, Any] = {
        "weight": limits.blkio_weight,
        "throttleReadBpsDevice": _rates(limits.device_read_bps),
        "throttleWriteBpsDevice": _rates(limits.device_write_bps),
        "throttleReadIOPSDevice": _rates(limits.device_read_iops),
        "throttleWriteIOPSDevice": _rates(limits.device_write_iops),
    }
    return {name: value for name, value in made.items() if value}


def _rates(rates: Iterable[DeviceRate]) -> list[dict[str, int]]:
    return [_rate(rate) for rate in rates]


def _rate(rate: DeviceRate) -> dict[str, int]:
    try:
        status = os.stat(rate.path)
    except OSError as error:
        raise InvalidArgument(f"bad device path {rate.path}: {error.strerror}") from None
    if not stat.S_ISBLK(status.st_mode):
        raise InvalidArgument(f"bad device path {rate.path}: not a block device")
    device = status.st_rdev
    return {"major": os.major(device), "minor": os.minor(device), "rate": rate.rate}
