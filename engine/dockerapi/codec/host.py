"""What this machine is: read once, since none of it changes while the engine runs."""

import os
import platform
from functools import cache
from typing import NamedTuple

_GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


class Host(NamedTuple):
    """`machine` is the kernel's word (x86_64), `arch` the one of images (amd64)."""

    name: str
    kernel: str
    machine: str
    arch: str
    operating_system: str
    os_version: str
    cpus: int
    memory: int


@cache
def read_host() -> Host:
    uname = os.uname()
    release = _os_release()
    return Host(
        name=uname.nodename,
        kernel=uname.release,
        machine=uname.machine,
        arch=_GO_NAMES.get(uname.machine, uname.machine),
        operating_system=release.get("PRETTY_NAME", uname.sysname),
        os_version=release.get("VERSION_ID", ""),
        cpus=os.cpu_count() or 1,
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}  # a distribution without the file still runs containers
