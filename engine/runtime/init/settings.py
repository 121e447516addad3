"""What the kernel is told about the new namespaces and this process: names, sysctl, loopback."""

import errno
import fcntl
import os
import struct
from _socket import AF_INET, SOCK_CLOEXEC, SOCK_DGRAM, socket

from engine.runtime import syscalls

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1


def set_names(hostname: str, domainname: str) -> None:
    """The names of the new UTS namespace."""
    if hostname:
        syscalls.sethostname(hostname)
    if domainname:
        syscalls.setdomainname(domainname)


def set_sysctl(settings: tuple[tuple[str, str], ...]) -> None:
    """Write below the host's /proc/sys: these keys act on the writer's own namespaces."""
    for key, value in settings:
        _write(f"/proc/sys/{key}", value)


def set_oom_score(value: int, pid: int | str = "self") -> list[str]:
    """How soon the kernel kills the process; lowering it needs CAP_SYS_RESOURCE."""
    try:
        _write(f"/proc/{pid}/oom_score_adj", str(value))
    except PermissionError:
        return [f"oom_score_adj {value} is not permitted and was not set"]
    return []


def raise_loopback() -> None:
    """Bring `lo` of the new network namespace up."""
    control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC)
    try:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack_from("h", fcntl.ioctl(control, _SIOCGIFFLAGS, request), 16)[0]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))
    finally:
        control.close()


def _write(path: str, text: str) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    except OSError as error:
        number = error.errno or errno.EIO
        raise OSError(number, f"write {text} to {path}: {os.strerror(number)}") from error
