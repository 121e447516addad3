"""Device nodes beyond the standard ones, and which devices the cgroup lets through."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.containers.model import Device, HostConfig
from engine.errors import InvalidArgument

_Node = dict[str, Any]

# type, major, minor: making any node, then the standard ones, pseudo-terminals and /dev/ptmx.
_ALLOWED = (
    ("c", None, None, "m"),
    ("b", None, None, "m"),
    ("c", 1, 3, "rwm"),
    ("c", 1, 5, "rwm"),
    ("c", 1, 7, "rwm"),
    ("c", 1, 8, "rwm"),
    ("c", 1, 9, "rwm"),
    ("c", 5, 0, "rwm"),
    ("c", 5, 1, "rwm"),
    ("c", 5, 2, "rwm"),
    ("c", 136, None, "rwm"),
)
# Made by the runtime in every container, or kept from it.
_STANDARD = frozenset(
    "console full fd log mqueue null ptmx pts random shm stderr stdin stdout tty urandom"
    " zero".split()
)


def nodes(host: HostConfig) -> list[_Node]:
    """Raises InvalidArgument for a device the host does not have."""
    made = list(_host_devices()) if host.privileged else []
    return made + [node for device in host.devices for node, _ in _expand(device)]


def rules(host: HostConfig) -> list[dict[str, Any]]:
    """cgroup device rules: deny all, then what is allowed."""
    if host.privileged:
        return [{"allow": True, "access": "rwm"}]
    default = [_rule(kind, major, minor, access) for kind, major, minor, access in _ALLOWED]
    added = [
        _rule(node["type"], node["major"], node["minor"], access)
        for device in host.devices
        for node, access in _expand(device)
    ]
    return [{"allow": False, "access": "rwm"}, *default, *added]


def _expand(device: Device) -> Iterator[tuple[_Node, str]]:
    """A device, or every device below a directory, with the access it is given."""
    target = device.path_in_container or device.path_on_host
    access = device.permissions or "rwm"
    if not os.path.isdir(device.path_on_host):
        yield _node(device.path_on_host, target, device.path_on_host), access
        return
    for path in sorted(Path(device.path_on_host).rglob("*")):
        if path.is_block_device() or path.is_char_device():
            inside = path.relative_to(device.path_on_host)
            yield _node(str(path), f"{target.rstrip('/')}/{inside}", str(path)), access


def _node(source: str, target: str, named: str) -> _Node:
    prefix = f'error gathering device information while adding custom device "{named}"'
    try:
        status = os.stat(source)
    except OSError as error:
        raise InvalidArgument(f"{prefix}: {(error.strerror or '').lower()}") from None
    kinds = {stat.S_IFCHR: "c", stat.S_IFBLK: "b"}
    kind = kinds.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        raise InvalidArgument(f"{prefix}: not a device node")
    return {
        "path": target,
        "type": kind,
        "major": os.major(status.st_rdev),
        "minor": os.minor(status.st_rdev),
        "fileMode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
    }


def _host_devices() -> Iterator[_Node]:
    """All the host's nodes below /dev, links and file systems mounted there left out."""
    for directory, folders, files in os.walk("/dev"):
        folders[:] = [name for name in folders if directory != "/dev" or name not in _STANDARD]
        for name in files:
            path = f"{directory}/{name}"
            is_standard = directory == "/dev" and name in _STANDARD
            if not is_standard and _is_device(path):
                yield _node(path, path, path)


def _is_device(path: str) -> bool:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return False  # unplugged while we were looking
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def _rule(kind: str, major: int | None, minor: int | None, access: str) -> dict[str, Any]:
    made = {"allow": True, "type": kind, "major": major, "minor": minor, "access": access}
    return {name: value for name, value in made.items() if value is not None}
