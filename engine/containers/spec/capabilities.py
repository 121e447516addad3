"""Which capabilities a container gets: Docker's fourteen, plus what is added, less what is dropped.

Follows moby's oci/caps (TweakCapabilities).
"""

from collections.abc import Iterable
from pathlib import Path

from engine.containers.model import HostConfig
from engine.errors import InvalidArgument
from engine.runtime.capabilities import BITS

KNOWN = tuple(BITS)
DEFAULT = tuple(
    f"CAP_{name}"
    for name in (
        "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP"
        " NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE"
    ).split()
)
_ALL = "ALL"


def parse(names: Iterable[str], field: str) -> frozenset[str]:
    """Full names (`CAP_KILL`, or `ALL`) of what a user wrote with or without prefix.

    Raises:
        InvalidArgument: no such capability.
    """
    return frozenset(_parse(name, field) for name in names)


def granted(host: HostConfig) -> tuple[str, ...]:
    """The capabilities of the container, in the kernel's order."""
    supported = available()
    if host.privileged:
        return supported
    add, drop = parse(host.cap_add, "CapAdd"), parse(host.cap_drop, "CapDrop")
    if _ALL in add:
        wanted = set(supported) - drop
    elif _ALL in drop:
        wanted = set(add)
    else:
        wanted = (set(DEFAULT) - drop) | add
    return tuple(name for name in supported if name in wanted)


def available() -> tuple[str, ...]:
    """What the running kernel knows."""
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    return KNOWN[: last + 1]


def _parse(name: str, field: str) -> str:
    upper = name.strip().upper()
    if upper == _ALL:
        return _ALL
    full = upper if upper.startswith("CAP_") else f"CAP_{upper}"
    if full not in KNOWN:
        raise InvalidArgument(f'invalid {field}: unknown capability: "{name}"')
    return full
