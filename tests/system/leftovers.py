"""What an engine and its containers leave on a machine: compared before and after a test."""

import os
import re
from collections import Counter
from pathlib import Path

from tests.system.engine_api import Engine

_NAMESPACES = ("mnt", "pid", "net", "uts", "ipc", "cgroup", "user", "time")
_OWN_FILES = re.compile(r"\.(log|db-wal|db-shm)$")


def leftovers(engine: Engine) -> dict[str, object]:
    """Everything that a container could leave behind, by kind.

    What is ready for the next container is the same number of things at any time, under changing
    names: so names are replaced by what they stand for.
    """
    processes = engine.processes()
    return {
        "mounts": _mounts(engine),
        "cgroups": _cgroups(engine),
        "processes": Counter(processes.values()),
        "namespaces": _namespaces(engine, set(processes)),
        "files": _files(engine),
        "descriptors": _descriptors(engine.pid),
    }


def _mounts(engine: Engine) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if str(engine.folder) in line or engine.parent in line]


def _cgroups(engine: Engine) -> Counter[str]:
    found: Counter[str] = Counter()
    for top in (*Path("/sys/fs/cgroup").glob(f"*/{engine.parent}"), _unified(engine)):
        for folder, _, _ in os.walk(top):
            path = re.sub(r"spare-\d+-\d+", "spare", folder)
            found[path] += 1
    return found


def _unified(engine: Engine) -> Path:
    return Path("/sys/fs/cgroup", engine.parent)


def _namespaces(engine: Engine, pids: set[int]) -> Counter[str]:
    """How many of each kind are held, by a process or by a descriptor, that are not the host's."""
    host = {os.readlink(f"/proc/self/ns/{kind}") for kind in _NAMESPACES}
    held: set[str] = set()
    for pid in pids:
        for place in ("ns", "fd"):
            held.update(_links(f"/proc/{pid}/{place}"))
    named = (name.partition(":[") for name in held - host)
    return Counter(kind for kind, bracket, _ in named if bracket and kind in _NAMESPACES)


def _links(folder: str) -> list[str]:
    found = []
    try:
        for name in os.listdir(folder):
            found.append(os.readlink(f"{folder}/{name}"))
    except (FileNotFoundError, ProcessLookupError):
        pass  # it has ended, and holds nothing
    return found


def _files(engine: Engine) -> set[str]:
    found = set()
    for top in ("data", "run"):
        for path in (engine.folder / top).rglob("*"):
            if not _OWN_FILES.search(path.name):
                found.add(str(path.relative_to(engine.folder)))
    return found


def _descriptors(pid: int) -> Counter[str]:
    """Open descriptors by what they are; numbers of sockets and pipes say nothing."""
    return Counter(re.sub(r"\d+", "N", name) for name in _links(f"/proc/{pid}/fd"))


def differences(before: dict[str, object], after: dict[str, object]) -> dict[str, object]:
    """What is not as it was, for people."""
    return {kind: (before[kind], after[kind]) for kind in before if before[kind] != after[kind]}
