"""A container with limits on any runtime, and what the kernel itself says of its cgroup.

Nothing here asks the code under test where the cgroup is: the kernel tells it by the container's
first process.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.runtime.cgroups import Hierarchy, Manager, detect, files
from engine.runtime.launcher import ExitRecord, Launcher, Monitor
from tests.suites.host import Config, Host, bounded, read_all, until
from tests.suites.oci import OciMonitor

MIB = 1 << 20
HOLD = "sleep 1000"
SPIN = "while :; do :; done"
TAKE = "dd if=/dev/zero of=/dev/null bs={mib}M count=1 2>/dev/null"
"""Has the memory for as long as the command takes: it reads it all into one buffer."""

KEEP = "dd if=/dev/zero bs={mib}M count=1 2>/dev/null | sleep 1000"
"""Has it for good: nobody reads what it writes."""


class Usage(NamedTuple):
    """What a runtime says that a container uses; nanoseconds and bytes."""

    cpu_ns: int
    memory: int
    memory_limit: int
    pids: int
    pids_limit: int


class Cgroup:
    """The cgroup of a process, in every hierarchy that is mounted."""

    def __init__(self, pid: int) -> None:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        self.paths: dict[str, str] = {}
        for line in lines:
            _, names, path = line.split(":", 2)
            self.paths |= dict.fromkeys(names.split(","), path)
        layout = detect()
        self._places = [(each, self._place(each)) for each in layout.hierarchies]

    def _place(self, hierarchy: Hierarchy) -> Path:
        name = "" if hierarchy.version == 2 else hierarchy.controllers[0]
        return Path(hierarchy.mount_point, self.paths.get(name, "/").lstrip("/"))

    def directories(self) -> list[Path]:
        """One a hierarchy, but for those that this process was not moved in (named ones)."""
        return [place for each, place in self._places if place != Path(each.mount_point)]

    def find(self, controller: str) -> tuple[int, Path] | None:
        """Version and directory of a controller; None when this machine has it nowhere."""
        for version in (1, 2):
            for each, place in self._places:
                if each.version == version and controller in _controllers(each, place):
                    return version, place
        return None

    def read(self, v1: str, v2: str) -> str:
        """A file of the controller that its name begins with; skips where there is none."""
        path = self.file(v1, v2)
        if path is None:
            pytest.skip(f"this kernel has neither {v1} nor {v2}")
        return path.read_text().strip()

    def file(self, v1: str, v2: str) -> Path | None:
        """Where the one or the other is; an empty name is in no version."""
        for name, version in ((v1, 1), (v2, 2)):
            found = self.find(name.partition(".")[0])
            if name and found and found[0] == version and (found[1] / name).exists():
                return found[1] / name
        return None

    def number(self, v1: str, v2: str) -> int:
        return int(self.read(v1, v2))

    def table(self, v1: str, v2: str) -> dict[str, int]:
        return files.table(self.read(v1, v2))

    def cpu_ns(self) -> int:
        if self.find("cpuacct"):
            return self.number("cpuacct.usage", "")
        return self.table("", "cpu.stat")["usage_usec"] * 1000


def version_of(controller: str) -> int:
    """In which version this machine has the controller; 0 for none."""
    found = detect().find(controller)
    return found.version if found else 0


def _controllers(hierarchy: Hierarchy, place: Path) -> tuple[str, ...]:
    if hierarchy.version == 1:
        return hierarchy.controllers
    return tuple(files.read_if_there(f"{place}/cgroup.controllers").split())


class Cage:
    """Containers of one test; what is not given to `config` are OCI's `linux.resources`."""

    def __init__(self, host: Host, launcher: Launcher) -> None:
        self.host = host
        self._launcher = launcher

    def config(self, script: str, **resources: Any) -> Config:
        return self.host.config(["sh", "-c", script], resources=resources)

    async def made(self, config: Config, name: str = "c1", **options: Any) -> Monitor:
        """A created container."""
        wanted = self.host.options(name, config, **options)
        return self.host.remember(await self._launcher.create(name, wanted))

    async def started(self, script: str, name: str = "c1", **resources: Any) -> Monitor:
        monitor = await self.made(self.config(script, **resources), name)
        await monitor.start()
        return monitor

    async def finished(self, config: Config, name: str = "c1") -> tuple[str, ExitRecord]:
        """What it wrote, on whichever stream, and how it ended."""
        monitor = await self.made(config, name)
        stream = await monitor.attach(stdin=False, stdout=True, stderr=True)
        await monitor.start()
        output = await read_all(stream)
        return (output[1] + output[2]).decode(), await bounded(monitor.wait())

    async def said(self, script: str, **resources: Any) -> str:
        """What a program writes that ends well."""
        text, record = await self.finished(self.config(script, **resources))
        assert record.code == 0, text
        return text.strip()

    async def usage(self, monitor: Monitor) -> Usage:
        if isinstance(monitor, OciMonitor):
            return _of_document(await monitor.stats())
        stats = Manager(detect(), monitor.cgroup).stats()
        memory, pids = stats.memory, stats.pids
        numbers = (memory.usage, memory.limit or 0, pids.current, pids.limit or 0)
        return Usage(stats.cpu.total_ns, *numbers)


def _of_document(document: Config) -> Usage:
    memory, pids = document["memory"]["usage"], document["pids"]
    numbers = (memory["usage"], memory["limit"], pids["current"], pids["limit"])
    return Usage(document["cpu"]["usage"]["total"], *numbers)


class Told:
    """Collects the names of a container's events from now on; `events` of an OCI runtime."""

    def __init__(self) -> None:
        self.names: list[str] = []

    async def follow(self, monitor: Monitor) -> None:
        """Returns when whoever tells them has begun to look."""
        if not isinstance(monitor, OciMonitor):
            monitor.on_event(self.names.append)
            return
        await monitor.follow(lambda line: self.names.append(json.loads(line)["type"]))
        await until(lambda: "stats" in self.names)
