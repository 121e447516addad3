"""`--security-opt`, masked paths and the seccomp policy."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from engine.containers.model import HostConfig
from engine.containers.spec import profile
from engine.errors import InvalidArgument, Unsupported
from engine.runtime import seccomp

MASKED = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

_BOOLEANS = {"true": True, "1": True, "": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Options:
    """`seccomp` is None for the default policy, "unconfined", or a Docker profile."""

    no_new_privileges: bool = False
    seccomp: str | dict[str, Any] | None = None


def options(texts: Iterable[str]) -> Options:
    """Read security options in Docker's words.

    Raises:
        InvalidArgument: an option nobody knows, or a seccomp profile that cannot be read.
        Unsupported: an AppArmor profile.
    """
    no_new_privileges = False
    policy: str | dict[str, Any] | None = None
    for text in texts:
        name, value = _split(text)
        if name == "no-new-privileges":
            no_new_privileges = _boolean(text, value)
        elif name == "seccomp":
            policy = _policy(value)
        else:
            _check_label(name, value, text)
    return Options(no_new_privileges, policy)


def masked_paths(host: HostConfig) -> list[str]:
    if host.masked_paths is not None:
        return list(host.masked_paths)
    return [] if host.privileged else list(MASKED)


def readonly_paths(host: HostConfig) -> list[str]:
    if host.readonly_paths is not None:
        return list(host.readonly_paths)
    return [] if host.privileged else list(READ_ONLY)


def seccomp_policy(host: HostConfig, capabilities: tuple[str, ...]) -> dict[str, Any] | None:
    """OCI `linux.seccomp`; None for no filter."""
    chosen = options(host.security_opt).seccomp
    if host.privileged or chosen == "unconfined":
        return None
    if isinstance(chosen, dict):
        return profile.to_oci(chosen, capabilities)
    return seccomp.default_profile(capabilities)


def _split(text: str) -> tuple[str, str]:
    """`name=value`, and the older `name:value`."""
    separator = "=" if "=" in text else ":"
    name, _, value = text.partition(separator)
    return name, value


def _boolean(text: str, value: str) -> bool:
    if value.lower() not in _BOOLEANS:
        raise InvalidArgument(f'invalid --security-opt 2: "{text}"')
    return _BOOLEANS[value.lower()]


def _policy(value: str) -> str | dict[str, Any] | None:
    if value in ("", "builtin", "default"):
        return None
    if value == "unconfined":
        return value
    try:
        document = json.loads(value)
    except ValueError as error:
        raise InvalidArgument(f"Decoding seccomp profile failed: {error}") from None
    if not isinstance(document, dict):
        raise InvalidArgument("Decoding seccomp profile failed: not a JSON object")
    profile.check(document)
    return document


def _check_label(name: str, value: str, text: str) -> None:
    if name == "apparmor":
        if value not in ("", "unconfined"):
            raise Unsupported(f"AppArmor profile '{value}' cannot be applied: use unconfined")
    elif name == "label":
        pass  # SELinux labels change nothing without SELinux, as with Docker
    elif not value:
        raise InvalidArgument(f'invalid --security-opt 1: "{text}"')
    else:
        raise InvalidArgument(f'invalid --security-opt 2: "{text}"')
