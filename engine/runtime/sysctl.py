"""Which sysctl settings belong to a namespace, and so may be set for a container."""

from engine.errors import InvalidArgument

from . import syscalls
from .fields import Fields

_IPC = frozenset(
    f"kernel/{name}"
    for name in (
        *("msgmax", "msgmnb", "msgmni", "sem"),
        *("shmall", "shmmax", "shmmni", "shm_rmid_forced"),
    )
)


def compile_sysctl(linux: Fields, owned: int) -> tuple[tuple[str, str], ...]:
    """(path below /proc/sys, value) pairs; `owned` are the namespaces that are not the host's.

    Raises InvalidArgument for a setting of the host.
    """
    settings = linux.object("sysctl")
    result = []
    for key in settings.value:
        path = _path(key)
        needed = _namespace(path)
        if needed is None:
            raise InvalidArgument(f"linux.sysctl: {key!r} is not separate in a container")
        if not owned & needed[0]:
            text = f"linux.sysctl: {key!r} cannot be set in the host's {needed[1]} namespace"
            raise InvalidArgument(text)
        result.append((path, settings.text(key)))
    return tuple(result)


def _path(key: str) -> str:
    """sysctl(8): a key is separated by dots, in which a slash stands for a dot, or by slashes."""
    first = next((c for c in key if c in "./"), ".")
    path = key.translate({46: "/", 47: "."}) if first == "." else key
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise InvalidArgument(f"linux.sysctl: {key!r} is not a name")
    return path


def _namespace(path: str) -> tuple[int, str] | None:
    if path in _IPC or path.startswith("fs/mqueue/"):
        return syscalls.CLONE_NEWIPC, "ipc"
    if path.startswith("net/"):
        return syscalls.CLONE_NEWNET, "network"
    if path == "kernel/domainname":
        return syscalls.CLONE_NEWUTS, "uts"
    return None
