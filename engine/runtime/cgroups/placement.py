"""Where a container's cgroup is below its parent: a directory, or a scope in a slice of systemd's.

A path that ends in `.scope` is systemd's to make, and whoever finds it later needs no other word.
"""

from engine.errors import InvalidArgument
from engine.runtime.cgroups.manager import Manager

CGROUPFS, SYSTEMD = "cgroupfs", "systemd"
DEFAULT_PARENTS = {CGROUPFS: "berth", SYSTEMD: "system.slice"}
_PREFIX, _SCOPE = "berth", ".scope"


def path(driver: str, parent: str, container_id: str) -> str:
    """The cgroup below the root of every hierarchy. Raises InvalidArgument for no slice."""
    if driver == SYSTEMD:
        return f"{slice_path(parent)}/{_PREFIX}-{container_id}{_SCOPE}".lstrip("/")
    return f"{parent.strip('/')}/{container_id}"


def cgroups_path(driver: str, parent: str, container_id: str) -> str:
    """The same as OCI's `linux.cgroupsPath`."""
    if driver == SYSTEMD:
        return f"{parent.strip('/')}:{_PREFIX}:{container_id}"
    return f"{parent}/{container_id}"


def slice_path(name: str) -> str:
    """Where a slice is: `a-b.slice` is `a.slice/a-b.slice` (systemd.slice(5)).

    Raises InvalidArgument.
    """
    if name == "-.slice":
        return ""
    stem = name.removesuffix(".slice")
    words = stem.split("-")
    if not name.endswith(".slice") or "/" in name or not all(words):
        raise InvalidArgument(f"{name!r} is not the name of a slice")
    return "/".join(f"{'-'.join(words[: n + 1])}.slice" for n in range(len(words)))


def owned(group: Manager) -> Manager:
    """The same cgroup, to be made, limited and removed by who it belongs to."""
    if group.path.endswith(_SCOPE):
        from engine.runtime.cgroups.systemd import Scope  # few ask for it

        return Scope(group.layout, group.path)
    return group
