"""Capabilities, security options, sysctls and devices."""

import re

from engine.containers.model import HostConfig
from engine.containers.spec import capabilities
from engine.containers.spec.security import options
from engine.errors import InvalidArgument

_SYSCTLS = frozenset(
    "kernel.msgmax kernel.msgmnb kernel.msgmni kernel.sem kernel.shmall kernel.shmmax"
    " kernel.shmmni kernel.shm_rmid_forced".split()
)
_ACCESS = re.compile(r"[rwm]{1,3}")


def check(host: HostConfig) -> tuple[str, ...]:
    capabilities.parse(host.cap_add, "CapAdd")
    capabilities.parse(host.cap_drop, "CapDrop")
    options(host.security_opt)
    _check_sysctls(host)
    for device in host.devices:
        if not device.path_on_host.startswith("/"):
            raise InvalidArgument(f"invalid device path: {device.path_on_host}: must be absolute")
        if device.permissions and not _ACCESS.fullmatch(device.permissions):
            raise InvalidArgument(f"invalid device mode: {device.permissions}")
    _check_groups(host)
    return ()


def _check_sysctls(host: HostConfig) -> None:
    """Only what a namespace of the container's own keeps from the host."""
    for name in host.sysctls:
        is_ipc = name in _SYSCTLS or name.startswith("fs.mqueue.")
        if is_ipc and host.ipc_mode == "host":
            raise InvalidArgument(f"sysctl '{name}' is not allowed in the host's IPC namespace")
        if name.startswith("net.") and host.network_mode == "host":
            raise InvalidArgument(f"sysctl '{name}' is not allowed in the host's network namespace")
        if not is_ipc and not name.startswith("net."):
            raise InvalidArgument(f"sysctl '{name}' is not in a separate kernel namespace")


def _check_groups(host: HostConfig) -> None:
    for group in host.group_add:
        if not group:
            raise InvalidArgument("invalid group: the name is empty")
