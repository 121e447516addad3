"""Checking OCI `linux.resources` before a cgroup exists: each refusal names the field.

What is checked here is what `cgroups.Resources` reads; anything else is told and not applied.
"""

import marshal
import re
from collections.abc import Callable

from engine.errors import InvalidArgument

from .cgroups.resources import Resources
from .fields import Fields

_Check = Callable[[Fields, str], object]
_LARGEST = 2**63 - 1
_PAGE_SIZE = re.compile(r"[1-9][0-9]*[KMG]B")  # as config-linux.md writes them
# A file of one controller. cgroup.procs and its like are no limits: they move and kill processes.
_UNIFIED = re.compile(r"(?!cgroup\.)[a-z0-9_]+(\.[A-Za-z0-9_]+)+")
_DEVICE_NAME = re.compile(r"[A-Za-z0-9_.-]+")


_found: dict[bytes, tuple[str, ...]] = {}
"""The warnings of what was checked already: most containers are limited alike."""
_MOST_FOUND = 256


def check_resources(linux: Fields, warnings: list[str]) -> None:
    """Raises InvalidArgument for what is malformed; warns of limits this runtime has not."""
    resources = linux.object("resources")
    key = marshal.dumps(resources.value, 2)
    if key not in _found:
        told: list[str] = []
        _check(resources, told)
        while len(_found) >= _MOST_FOUND:
            del _found[next(iter(_found))]
        _found[key] = tuple(told)
    warnings += _found[key]


def _check(resources: Fields, warnings: list[str]) -> None:
    for name, checks in _GROUPS.items():
        group = resources.object(name)
        for key, check in checks.items():
            check(group, key)
        _warn_of_others(group, {*checks}, warnings)
    for name, one in _LISTS.items():
        for each in resources.objects(name):
            one(each)
    for name, each in _named(resources, "rdma"):
        _check_rdma(name, each)
    for name, text in resources.words("unified").items():
        _check_unified(f"{resources.path}.unified", name, text)
    _warn_of_others(resources, {*_GROUPS, *_LISTS, "rdma", "unified"}, warnings)
    Resources.from_oci(resources.value)


def _warn_of_others(group: Fields, known: set[str], warnings: list[str]) -> None:
    for key, value in group.value.items():
        if key not in known and value:
            warnings.append(f"{group.path}.{key}: not supported and not applied")


def _number(lowest: int, highest: int = _LARGEST) -> _Check:
    return lambda group, key: group.number(key, 0, lowest, highest)


def _rates(group: Fields, key: str) -> None:
    for rate in group.objects(key):
        for name in ("major", "minor", "rate"):
            if rate.value.get(name) is None:
                raise InvalidArgument(f"{rate.path}.{name}: missing")
            rate.number(name, 0, 0, _LARGEST)


def _weights(group: Fields, key: str) -> None:
    for device in group.objects(key):
        for name in ("major", "minor"):
            device.needed(name, 0, _LARGEST)
        device.number("weight", 0, 0, 1000)


def _check_hugepages(limit: Fields) -> None:
    size = limit.required("pageSize")
    if not _PAGE_SIZE.fullmatch(size):
        raise InvalidArgument(f"{limit.path}.pageSize: must be like 2MB or 1GB, got {size!r}")
    limit.needed("limit", 0, 2**64 - 1)


def _named(resources: Fields, key: str) -> list[tuple[str, Fields]]:
    group = resources.object(key)
    return [(name, group.object(name)) for name in group.value]


def _check_rdma(name: str, limit: Fields) -> None:
    if not _DEVICE_NAME.fullmatch(name):
        raise InvalidArgument(f"linux.resources.rdma: not a device name: {name!r}")
    for key in ("hcaHandles", "hcaObjects"):
        limit.number(key, 0, 0, 2**32 - 1)


def _check_unified(path: str, name: str, text: str) -> None:
    if not _UNIFIED.fullmatch(name):
        raise InvalidArgument(f"{path}: not a file that sets a limit: {name!r}")
    if not text.strip():
        raise InvalidArgument(f"{path}.{name}: must not be empty")


def _check_rule(rule: Fields) -> None:
    rule.boolean("allow")
    for key in ("type", "access"):
        rule.text(key)
    for key in ("major", "minor"):
        rule.number(key, -1, -1, 2**32 - 1)


_LISTS: dict[str, Callable[[Fields], None]] = {
    "devices": _check_rule,
    "hugepageLimits": _check_hugepages,
}
_GROUPS: dict[str, dict[str, _Check]] = {
    "memory": {
        "limit": _number(-1),
        "swap": _number(-1),
        "reservation": _number(-1),
        "swappiness": _number(-1, 100),  # -1 leaves it alone, as in the Docker Engine API
        "disableOOMKiller": Fields.boolean,
        "checkBeforeUpdate": Fields.boolean,
        "useHierarchy": Fields.boolean,  # what every kernel since 5.11 does
    },
    "cpu": {
        "shares": _number(0),
        "quota": _number(-1),
        "period": _number(0),
        "burst": _number(0),
        "idle": _number(0, 1),
        "realtimeRuntime": _number(-1),
        "realtimePeriod": _number(0),
        "cpus": Fields.text,
        "mems": Fields.text,
    },
    "pids": {"limit": _number(-1)},
    "blockIO": {
        "weight": _number(0, 1000),
        "weightDevice": _weights,
        "throttleReadBpsDevice": _rates,
        "throttleWriteBpsDevice": _rates,
        "throttleReadIOPSDevice": _rates,
        "throttleWriteIOPSDevice": _rates,
    },
}
