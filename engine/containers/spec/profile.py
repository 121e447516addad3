"""Docker's seccomp profile format to OCI's: rules that depend on capabilities and architecture.

Follows the schema of moby's profiles/seccomp: `archMap`, and `includes`/`excludes` of each rule.
"""

import os
import platform
from collections.abc import Mapping
from typing import Any

from engine.errors import InvalidArgument

_ACTIONS = frozenset(
    f"SCMP_ACT_{name}"
    for name in "ALLOW ERRNO KILL KILL_PROCESS KILL_THREAD LOG NOTIFY TRACE TRAP".split()
)
_ARCHES = {"x86_64": "amd64", "aarch64": "arm64"}
_FAMILIES = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
}

_Rule = Mapping[str, Any]


def check(document: Mapping[str, Any]) -> None:
    """Raises InvalidArgument for a profile that cannot be applied."""
    _check_action(document.get("defaultAction"), "defaultAction")
    rules = document.get("syscalls") or []
    if not isinstance(rules, list):
        raise InvalidArgument("seccomp profile: syscalls: expected a list")
    for number, rule in enumerate(rules):
        if not isinstance(rule, dict) or not _names(rule):
            raise InvalidArgument(f"seccomp profile: syscalls[{number}]: no names")
        _check_action(rule.get("action"), f"syscalls[{number}].action")


def to_oci(document: Mapping[str, Any], capabilities: tuple[str, ...]) -> dict[str, Any]:
    """The policy for a container with these capabilities on this machine."""
    policy: dict[str, Any] = {
        "defaultAction": document["defaultAction"],
        "architectures": _architectures(document),
        "syscalls": [
            _rule(rule)
            for rule in document.get("syscalls") or []
            if _applies(rule, frozenset(capabilities))
        ],
    }
    if document.get("defaultErrnoRet") is not None:
        policy["defaultErrnoRet"] = document["defaultErrnoRet"]
    if document.get("flags"):
        policy["flags"] = document["flags"]
    return policy


def _architectures(document: Mapping[str, Any]) -> list[str]:
    if document.get("architectures"):
        return list(document["architectures"])
    native = _FAMILIES.get(platform.machine(), ())[:1]
    for entry in document.get("archMap") or []:
        if entry.get("architecture") in native:
            return [entry["architecture"], *(entry.get("subArchitectures") or [])]
    return list(_FAMILIES.get(platform.machine(), ()))


def _rule(rule: _Rule) -> dict[str, Any]:
    made: dict[str, Any] = {"names": _names(rule), "action": rule["action"]}
    if rule.get("args"):
        made["args"] = rule["args"]
    if rule.get("errnoRet") is not None:
        made["errnoRet"] = rule["errnoRet"]
    return made


def _names(rule: _Rule) -> list[str]:
    return list(rule.get("names") or filter(None, [rule.get("name")]))


def _applies(rule: _Rule, capabilities: frozenset[str]) -> bool:
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    arches, barred = includes.get("arches"), excludes.get("arches") or ()
    arch = _ARCHES.get(platform.machine(), platform.machine())
    return (
        (not arches or arch in arches)
        and arch not in barred
        and capabilities.issuperset(includes.get("caps") or ())
        and not capabilities.intersection(excludes.get("caps") or ())
        and _is_kernel(includes.get("minKernel"), default=True)
        and not _is_kernel(excludes.get("minKernel"), default=False)
    )


def _is_kernel(minimum: str | None, *, default: bool) -> bool:
    """Whether the running kernel is at least `minimum`; `default` when none is given."""
    if not minimum:
        return default
    return _version(os.uname().release) >= _version(minimum)


def _version(text: str) -> tuple[int, int]:
    major, _, rest = text.partition(".")
    digits = rest.partition(".")[0].partition("-")[0]
    return int(major), int(digits or 0)


def _check_action(action: Any, where: str) -> None:
    if action not in _ACTIONS:
        raise InvalidArgument(f"seccomp profile: {where}: unknown action {action!r}")
