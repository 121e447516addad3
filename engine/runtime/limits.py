"""Checking OCI `linux.resources` before a cgroup exists: each refusal names the field.

What is checked here is what `cgroups.Resources` reads; anything else is told and not applied.
"""

from collections.abc import Callable

from engine.errors import InvalidArgument

from .cgroups.resources import Resources
from .fields import Fields

_Check = Callable[[Fields, str], object]
_LARGEST = 2**63 - 1


def check_resources(linux: Fields, warnings: list[str]) -> None:
    """Raises InvalidArgument for what is malformed; warns of limits this runtime has not."""
    resources = linux.object("resources")
    for name, checks in _GROUPS.items():
        group = resources.object(name)
        for key, check in checks.items():
            check(group, key)
        _warn_of_others(group, {*checks}, warnings)
    for rule in resources.objects("devices"):
        _check_rule(rule)
    _warn_of_others(resources, {*_GROUPS, "devices"}, warnings)
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


def _check_rule(rule: Fields) -> None:
    rule.boolean("allow")
    for key in ("type", "access"):
        rule.text(key)
    for key in ("major", "minor"):
        rule.number(key, -1, -1, 2**32 - 1)


_GROUPS: dict[str, dict[str, _Check]] = {
    "memory": {
        "limit": _number(-1),
        "swap": _number(-1),
        "reservation": _number(-1),
        "swappiness": _number(-1, 100),  # -1 leaves it alone, as in the Docker Engine API
        "disableOOMKiller": Fields.boolean,
    },
    "cpu": {
        "shares": _number(0),
        "quota": _number(-1),
        "period": _number(0),
        "cpus": Fields.text,
        "mems": Fields.text,
    },
    "pids": {"limit": _number(-1)},
    "blockIO": {
        "weight": _number(0, 1000),
        "throttleReadBpsDevice": _rates,
        "throttleWriteBpsDevice": _rates,
        "throttleReadIOPSDevice": _rates,
        "throttleWriteIOPSDevice": _rates,
    },
}
