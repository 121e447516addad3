"""Resource limits: OCI names, what the host lets through, and setting them."""

import os
import resource

_NAMES = {
    "RLIMIT_AS": resource.RLIMIT_AS,
    "RLIMIT_CORE": resource.RLIMIT_CORE,
    "RLIMIT_CPU": resource.RLIMIT_CPU,
    "RLIMIT_DATA": resource.RLIMIT_DATA,
    "RLIMIT_FSIZE": resource.RLIMIT_FSIZE,
    "RLIMIT_LOCKS": 10,
    "RLIMIT_MEMLOCK": resource.RLIMIT_MEMLOCK,
    "RLIMIT_MSGQUEUE": resource.RLIMIT_MSGQUEUE,
    "RLIMIT_NICE": resource.RLIMIT_NICE,
    "RLIMIT_NOFILE": resource.RLIMIT_NOFILE,
    "RLIMIT_NPROC": resource.RLIMIT_NPROC,
    "RLIMIT_RSS": resource.RLIMIT_RSS,
    "RLIMIT_RTPRIO": resource.RLIMIT_RTPRIO,
    "RLIMIT_RTTIME": resource.RLIMIT_RTTIME,
    "RLIMIT_SIGPENDING": resource.RLIMIT_SIGPENDING,
    "RLIMIT_STACK": resource.RLIMIT_STACK,
}
UNLIMITED = resource.RLIM_INFINITY  # -1
_WORDS = {number: name for name, number in _NAMES.items()}

Limit = tuple[int, int, int]  # resource, soft, hard


def number(name: str) -> int | None:
    """The kernel's number of an OCI name, None when there is no such limit."""
    return _NAMES.get(name)


def clamp(limit: Limit, highest: int, warnings: list[str]) -> Limit:
    """The limit with nothing above `highest`, the hard limit that may not be raised."""
    kind, soft, hard = limit
    if not _above(hard, highest):
        return limit
    name = _WORDS.get(kind, str(kind)).removeprefix("RLIMIT_").lower()
    asked = "unlimited" if hard == UNLIMITED else hard
    warnings.append(f"ulimit {name}: {asked} is above the host's limit, {highest} is used")
    return kind, highest if _above(soft, highest) else soft, highest


def _above(value: int, highest: int) -> bool:
    return highest != UNLIMITED and (value == UNLIMITED or value > highest)


def ceiling(kind: int, privileged: bool) -> int:
    """How far this process may raise a hard limit; `privileged` says it has CAP_SYS_RESOURCE."""
    if not privileged:
        return resource.getrlimit(kind)[1]
    return _most_files() if kind == resource.RLIMIT_NOFILE else UNLIMITED


def _most_files() -> int:
    fd = os.open("/proc/sys/fs/nr_open", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return int(os.read(fd, 32))
    finally:
        os.close(fd)


def apply(limits: tuple[Limit, ...]) -> list[str]:
    """Set the limits of this process; what is refused is clamped and said in the result."""
    warnings: list[str] = []
    for limit in limits:
        kind, soft, hard = limit
        try:
            resource.setrlimit(kind, (soft, hard))
        except (ValueError, PermissionError):  # Python says ValueError for EPERM of raising hard
            kind, soft, hard = clamp(limit, resource.getrlimit(kind)[1], warnings)
            resource.setrlimit(kind, (soft, hard))
    return warnings
