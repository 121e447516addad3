"""Capabilities: names to bits, and giving up what a container may not have."""

import errno
from collections.abc import Iterable

from . import syscalls
from .plan import Capabilities

_NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
    "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
    "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
    "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
    "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
    "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)  # fmt: skip
BITS = {f"CAP_{name}": bit for bit, name in enumerate(_NAMES)}

SYS_ADMIN = 1 << BITS["CAP_SYS_ADMIN"]
SYS_RESOURCE = 1 << BITS["CAP_SYS_RESOURCE"]


def mask(names: Iterable[str]) -> int:
    """The bit mask of OCI names. Raises KeyError with the name that does not exist."""
    result = 0
    for name in names:
        result |= 1 << BITS[name]
    return result


def words(bits: int) -> list[str]:
    """The names of a bit mask, in the kernel's order."""
    return [name for name, bit in BITS.items() if bits >> bit & 1]


def drop_bounding(keep: int) -> None:
    """Take everything but `keep` from the bounding set."""
    for bit in range(64):
        if keep >> bit & 1:
            continue
        try:
            syscalls.prctl(syscalls.PR_CAPBSET_DROP, bit)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return  # past the last capability this kernel knows


def available(wanted: Capabilities) -> tuple[Capabilities, int]:
    """What of `wanted` this process can have at all, and the mask of what it cannot."""
    _, permitted, _ = syscalls.capget()
    every = wanted.effective | wanted.permitted | wanted.inheritable | wanted.ambient
    cut = Capabilities(
        wanted.bounding,
        wanted.effective & permitted,
        wanted.permitted & permitted,
        wanted.inheritable & permitted,
        # capabilities(7): only the permitted and inheritable can be ambient; runc drops the rest
        wanted.ambient & wanted.permitted & wanted.inheritable & permitted,
    )
    return cut, every & ~permitted


def apply(sets: Capabilities) -> None:
    """Set effective, permitted, inheritable and ambient; after the change of user."""
    syscalls.capset(sets.effective, sets.permitted, sets.inheritable)
    syscalls.prctl(syscalls.PR_CAP_AMBIENT, syscalls.PR_CAP_AMBIENT_CLEAR_ALL)
    for bit in BITS.values():
        if sets.ambient >> bit & 1:
            syscalls.prctl(syscalls.PR_CAP_AMBIENT, syscalls.PR_CAP_AMBIENT_RAISE, bit)
