"""`spec`: a config.json to start from."""

import os
from typing import Any

from engine.errors import Conflict
from engine.ociruntime import record
from engine.ociruntime.commands import Call

_CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
_SETS = ("bounding", "effective", "permitted", "ambient")
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MASKED = (
    *("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats"),
    *("/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"),
)
_READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_NAMESPACES = ("pid", "network", "ipc", "uts", "mount", "cgroup")
_QUIET = ("nosuid", "noexec", "nodev")


def run(call: Call) -> int:
    directory = call.options.text("bundle") or "."
    config = starter(rootless=call.options.flag("rootless"))
    path = os.path.join(directory, record.CONFIG)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        raise Conflict(f"file {record.CONFIG} exists. Remove it first") from None
    with os.fdopen(fd, "w") as file:
        file.write(record.encode(config, "\t") + "\n")
    return 0


def starter(*, rootless: bool) -> dict[str, Any]:
    """A shell in a read-only root, with few privileges; for a user without root, mapped to it."""
    return {
        "ociVersion": record.OCI_VERSION,
        "process": _process(),
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "berth",
        "mounts": _mounts(rootless=rootless),
        "linux": _linux(rootless=rootless),
    }


def _process() -> dict[str, Any]:
    return {
        "terminal": True,
        "user": {"uid": 0, "gid": 0},
        "args": ["sh"],
        "env": [_PATH, "TERM=xterm"],
        "cwd": "/",
        "capabilities": dict.fromkeys(_SETS, _CAPABILITIES),
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        "noNewPrivileges": True,
    }


def _mounts(*, rootless: bool) -> list[dict[str, Any]]:
    terminal = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")
    sysfs = _mount("/sys", "sysfs", "sysfs", *_QUIET, "ro")
    if rootless:  # sysfs shows a network namespace only to its owner; gid 5 is not mapped
        sysfs = _mount("/sys", "none", "/sys", "rbind", *_QUIET, "ro")
    return [
        _mount("/proc", "proc", "proc"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount("/dev/pts", "devpts", "devpts", *terminal, *(() if rootless else ("gid=5",))),
        _mount("/dev/shm", "tmpfs", "shm", *_QUIET, "mode=1777", "size=65536k"),
        _mount("/dev/mqueue", "mqueue", "mqueue", *_QUIET),
        sysfs,
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", *_QUIET, "relatime", "ro"),
    ]


def _mount(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    mount: dict[str, Any] = {"destination": destination, "type": kind, "source": source}
    return mount | ({"options": list(options)} if options else {})


def _linux(*, rootless: bool) -> dict[str, Any]:
    kinds = [kind for kind in _NAMESPACES if not rootless or kind != "network"]
    linux: dict[str, Any] = {
        "namespaces": [{"type": kind} for kind in (*kinds, *(("user",) if rootless else ()))],
        "maskedPaths": list(_MASKED),
        "readonlyPaths": list(_READONLY),
    }
    if not rootless:
        devices = [{"allow": False, "access": "rwm"}]
        return {"resources": {"devices": devices}} | linux
    own = (("uidMappings", os.geteuid()), ("gidMappings", os.getegid()))
    maps = {key: [{"containerID": 0, "hostID": host, "size": 1}] for key, host in own}
    return maps | linux
