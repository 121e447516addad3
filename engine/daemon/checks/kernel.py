"""The kernel: its version and the features that containers are made of."""

import os
import platform
import re
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from engine.daemon.checks.check import Check

# clone3 and pidfds came with 5.3, close_range with 5.9, mount_setattr with 5.12.
NEEDED_KERNEL = (5, 9)
NEEDED_PYTHON = (3, 11)
NAMESPACES = {"pid": "PID_NS", "mnt": "NAMESPACES", "net": "NET_NS", "uts": "UTS_NS"}
NAMESPACES |= {"ipc": "IPC_NS", "cgroup": "CGROUPS", "user": "USER_NS"}
WANTED_FILES = 65536


def checks() -> Iterator[Check]:
    yield _root()
    yield _python()
    yield _version()
    yield from _namespaces()
    yield _overlay()
    yield _seccomp()
    yield _files()
    yield _pids()
    yield _service_manager()


def has_overlay() -> bool:
    names = {line.split()[-1] for line in _read("/proc/filesystems").splitlines() if line}
    return "overlay" in names


def _root() -> Check:
    if os.geteuid() == 0:
        return Check("rights", "root")
    return Check("rights", f"uid {os.geteuid()}: containers run in a user namespace")


def _python() -> Check:
    found = platform.python_version()
    if sys.version_info >= NEEDED_PYTHON:
        return Check("python", found)
    return Check("python", found, "install Python 3.11 or later", needed=True)


def _version() -> Check:
    release = os.uname().release
    match = re.match(r"(\d+)\.(\d+)", release)
    if match is not None and (int(match[1]), int(match[2])) >= NEEDED_KERNEL:
        return Check("kernel", release)
    return Check("kernel", release, "boot Linux 5.9 or later", needed=True)


def _namespaces() -> Iterator[Check]:
    missing = [name for name in NAMESPACES if not Path(f"/proc/self/ns/{name}").exists()]
    if not missing:
        yield Check("namespaces", " ".join(NAMESPACES))
    for name in missing:
        # Only user namespaces are not used by root's containers.
        fix = f"boot a kernel with CONFIG_{NAMESPACES[name]}"
        yield Check(f"{name} namespace", "missing", fix, needed=name != "user")


def _overlay() -> Check:
    if has_overlay():
        return Check("overlayfs", "available")
    fix = "modprobe overlay; until then every container gets a whole copy of its image"
    return Check("overlayfs", "missing", fix)


def _seccomp() -> Check:
    actions = _read("/proc/sys/kernel/seccomp/actions_avail").split()
    if "errno" in actions:
        return Check("seccomp", "available")
    return Check(
        "seccomp",
        "missing",
        "boot a kernel with CONFIG_SECCOMP_FILTER; until then system calls are not filtered",
    )


def _files() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = f"{soft} open files, at most {hard}"
    if hard == resource.RLIM_INFINITY or hard >= WANTED_FILES:
        return Check("ulimits", found)
    fix = f"raise the hard limit (ulimit -Hn {WANTED_FILES}); higher limits asked for are clamped"
    return Check("ulimits", found, fix)


def _pids() -> Check:
    most = _read("/proc/sys/kernel/pid_max").strip() or "unknown"
    return Check("processes", f"at most {most} on this machine")


def _service_manager() -> Check:
    if Path("/run/systemd/system").is_dir():
        return Check("systemd", "runs; it makes the containers' cgroups if --cgroup-driver says so")
    return Check("systemd", "does not run, and is not needed")


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""  # not there: what it would list is not there either
