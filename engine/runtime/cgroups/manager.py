"""One container's cgroup across every hierarchy of the machine."""

import os
import time
from typing import Protocol

from engine.errors import InvalidArgument, RuntimeFailure
from engine.runtime.cgroups import (
    blkio,
    cpu,
    cpuset,
    devices,
    files,
    freezer,
    hugetlb,
    memory,
    oom,
    pids,
    pressure,
    rdma,
    tree,
    unified,
)
from engine.runtime.cgroups.layout import Hierarchy, Layout
from engine.runtime.cgroups.resources import Resources
from engine.runtime.cgroups.stats import CpuStats, MemoryStats, PidsStats, Pressure, Stats

KILL_BOUND_S = 10.0
REMOVE_BOUND_S = 5.0


class Controller(Protocol):
    """What each controller's file offers; `V1` and `V2` are its names in the hierarchies."""

    V1: str
    V2: str

    def apply_v1(self, directory: str, wanted: Resources) -> list[str]: ...
    def apply_v2(self, directory: str, wanted: Resources) -> list[str]: ...
    def discarded(self, wanted: Resources) -> list[str]: ...


_CONTROLLERS: tuple[Controller, ...] = (
    *(memory, cpu, cpuset, pids, blkio, devices),
    *(hugetlb, rdma),
)


class Manager:
    """A cgroup named `path` (`berth/<id>`) in every hierarchy that can be written.

    Controllers are looked for on v1 first; a v2 hierarchy beside them (hybrid) is joined too,
    because its cgroup.kill and cgroup.freeze do their work better than anything v1 has. There it
    may have another name, `unified`: v2 has no rename.
    """

    def __init__(self, layout: Layout, path: str, *, unified: str = "") -> None:
        self.path = _checked(path)
        self.layout = layout
        self._unified_path = _checked(unified) if unified else self.path
        self._writable = tuple(h for h in layout.hierarchies if h.writable)
        self.unified = self._directory(layout.unified) if layout.unified else None

    def _directory(self, hierarchy: Hierarchy) -> str:
        path = self.path if hierarchy.version == 1 else self._unified_path
        return f"{hierarchy.base}/{path}"

    def directories(self) -> list[str]:
        """One directory a hierarchy, whether it exists or not."""
        return [self._directory(hierarchy) for hierarchy in self._writable]

    def find(self, v1: str, v2: str) -> tuple[int, str] | None:
        """Version and directory of a controller known by these names; None when there is none."""
        found = self.layout.find(v1)
        if found and found.version == 1:
            return 1, self._directory(found)
        found = self.layout.find(v2)
        return (2, self._directory(found)) if found and found.version == 2 else None

    def create(self) -> None:
        """Make it everywhere, or nowhere. Raises AlreadyInUse, or OSError naming the path."""
        made: list[str] = []
        try:
            for hierarchy in self._writable:
                before = len(made)
                tree.make(hierarchy, self.path, made)
                new = made[before:]
                if len(new) > 1 and "blkio" in hierarchy.controllers and hierarchy.version == 1:
                    blkio.account(new[0])
        except BaseException:
            for directory in reversed(made):
                tree.remove(directory, bound=0)
            raise

    def rename(self, path: str) -> None:
        """Move it to `path`, below the same parent, wherever the kernel can (v1).

        Raises AlreadyInUse when processes live there; then it may have either name.
        """
        path = _checked(path)
        for hierarchy in self._writable:
            if hierarchy.version == 1:
                tree.rename(self._directory(hierarchy), f"{hierarchy.base}/{path}")
        self.path = path  # _unified_path stays

    def exists(self) -> bool:
        return any(os.path.isdir(directory) for directory in self.directories())

    def apply(self, wanted: Resources) -> list[str]:
        """Set limits; return Docker's words for each that this kernel cannot enforce.

        Raises InvalidArgument, naming field and file, for what the kernel does not take, and for
        limits that contradict each other or what is in use.
        """
        self._hand_down(wanted)
        warnings: list[str] = []
        for controller in _CONTROLLERS:
            place = self._place(controller)
            if place is None:
                warnings += controller.discarded(wanted)
            elif place[0] == 1:
                warnings += controller.apply_v1(place[1], wanted)
            else:
                warnings += controller.apply_v2(place[1], wanted)
        unified.apply(self.unified, wanted)
        return warnings

    def _hand_down(self, wanted: Resources) -> None:
        """Controllers of v2 that only few containers ask for."""
        hierarchy = self.layout.unified
        if hierarchy is None:
            return
        asked = unified.controllers(wanted)
        asked |= {each.V2 for each in (hugetlb, rdma) if each.discarded(wanted)}
        for name in asked.intersection(hierarchy.controllers):
            tree.hand_down(hierarchy.base, self._unified_path, name)

    def discarded(self, wanted: Resources) -> list[str]:
        """What `apply` will say of limits for which there is no controller."""
        without = (each for each in _CONTROLLERS if self._place(each) is None)
        return [warning for each in without for warning in each.discarded(wanted)]

    def lacks(self, wanted: Resources) -> list[str]:
        """Controllers that limits need and this cgroup has not, by their names on v2.

        It could not be made, or a cgroup of v2 above it has processes of its own. Rules of devices
        need none.
        """
        asked = [each for each in _CONTROLLERS if each is not devices and each.discarded(wanted)]
        return sorted(each.V2 for each in asked if not self._takes_part(each))

    def _takes_part(self, controller: Controller) -> bool:
        found = self.find(controller.V1, controller.V2)
        if found is None or found[0] == 1:
            return found is not None
        return controller.V2 in files.read_if_there(f"{found[1]}/cgroup.controllers").split()

    def _place(self, controller: Controller) -> tuple[int, str] | None:
        found = self.find(controller.V1, controller.V2)
        # v2 has no devices controller to look for: a program is attached to the cgroup itself.
        if found is None and controller is devices and self.unified:
            return 2, self.unified
        return found

    def attach(self, pid: int) -> None:
        """Move a process, all its threads, into every hierarchy."""
        for directory in self.directories():
            files.write(f"{directory}/cgroup.procs", str(pid))

    def entered(self) -> None:
        """A process was born in it: what held its place may go. Here nothing does."""

    def pids(self) -> list[int]:
        """Every process in it and below it."""
        directory = self._census()
        return tree.pids(directory) if directory else []

    def _census(self) -> str | None:
        """The hierarchy that is asked who is there: any would do, v2 cannot be left by mistake."""
        places = ([self.unified] if self.unified else []) + self.directories()
        return next((place for place in places if os.path.isdir(place)), None)

    def freeze(self) -> None:
        """Stop every process and wait until they stand; raises RuntimeFailure after a bound."""
        if self._freezes_on_v2():
            freezer.freeze_v2(str(self.unified))
        else:
            freezer.freeze_v1(self._v1_freezer())

    def thaw(self) -> None:
        if self._freezes_on_v2():
            freezer.thaw_v2(str(self.unified))
        else:
            freezer.thaw_v1(self._v1_freezer())

    def is_frozen(self) -> bool:
        if self._freezes_on_v2():
            return freezer.frozen_v2(str(self.unified))
        found = self.find("freezer", "")
        return found is not None and freezer.frozen_v1(found[1])

    def _freezes_on_v2(self) -> bool:
        """v2's freezer where there is one (5.2): a process frozen by it can still be killed."""
        return bool(self.unified) and os.path.exists(f"{self.unified}/cgroup.freeze")

    def _v1_freezer(self) -> str:
        found = self.find("freezer", "")
        if found is None:
            raise RuntimeFailure(
                f"cannot pause {self.path}: no freezer cgroup is mounted and cgroup v2 has none"
            )
        return found[1]

    def kill(self, *, bound: float = KILL_BOUND_S) -> None:
        """SIGKILL everything in it, children of children too, and wait until nothing is left.

        A cgroup that is not there has nothing in it. Raises RuntimeFailure when something
        outlives the bound (a process stuck in the kernel).
        """
        if not self.exists():
            return
        if not (self.unified and tree.kill_v2(self.unified, bound=bound)):
            self._kill_by_hand(bound)
        if left := self.pids():
            raise RuntimeFailure(f"processes outlived SIGKILL in cgroup {self.path}: {left}")

    def _kill_by_hand(self, bound: float) -> None:
        """Hold everything still, so that no fork slips through, mark all for death, let go."""
        census = self._census()
        if census is None:
            return
        try:
            self.freeze()
        except (RuntimeFailure, FileNotFoundError):
            pass  # half made, or stuck: the loop below goes on until nothing is left anyway
        else:
            tree.signal_all(census)
            self.thaw()
        tree.kill_each(census, bound=bound)

    def remove(self, *, bound: float = REMOVE_BOUND_S) -> None:
        """Remove it everywhere, children first. Raises OSError (EBUSY) when processes are left."""
        failure: OSError | None = None
        for directory in self.directories():
            try:
                tree.remove(directory, bound=bound)
            except OSError as error:
                failure = error
        if failure:
            raise failure

    def oom_kills(self) -> int:
        """Processes killed for memory since the cgroup was made; 0 where nobody counts."""
        found = self.find("memory", "memory")
        if found is None:
            return 0
        return (memory.oom_kills_v1 if found[0] == 1 else memory.oom_kills_v2)(found[1])

    def oom_fd(self) -> int | None:
        """A descriptor that turns readable when memory ran out, to be read empty and closed.

        It says "look at oom_kills()", no more, and to look again for a moment: v1 wakes before the
        kill is counted, and when the cgroup is removed; v2 for every change of memory.events.
        """
        found = self.find("memory", "memory")
        if found is None:
            return None
        return (oom.watch_v1 if found[0] == 1 else oom.watch_v2)(found[1])

    def populated(self) -> bool:
        """Whether a process lives in it or below it; where v2 keeps no such word, by a look."""
        if self.unified and os.path.isdir(self.unified):
            return freezer.event(self.unified, "populated") == 1
        return bool(self.pids())

    def population_fd(self) -> int | None:
        """A descriptor that turns readable when the last process has gone, or a first one came.

        To be read empty and closed; it says "look at populated()", no more. None on v1 alone,
        where only the machine's one release_agent is told.
        """
        return oom.watch_file(f"{self.unified}/cgroup.events") if self.unified else None

    def counts_memory(self) -> bool:
        """Whether it exists and its memory is counted: figures can be had from it."""
        found = self.find("memory", "memory")
        names = ("memory.usage_in_bytes", "memory.current")
        return found is not None and any(os.path.exists(f"{found[1]}/{name}") for name in names)

    def stats(self) -> Stats:
        """Read everything; what this machine does not count is zero or empty."""
        io = self.find("blkio", "io")
        return Stats(
            time_ns=time.time_ns(),
            version=2 if self.layout.mode == "v2" else 1,
            cpu=self._cpu(),
            memory=self._memory(),
            pids=self._pids(),
            block=(blkio.read_v1 if io[0] == 1 else blkio.read_v2)(io[1]) if io else (),
            oom_kills=self.oom_kills(),
            pressure=self.pressure(),
        )

    def pressure(self) -> Pressure | None:
        """Time lost for want of something; None where nobody counts it."""
        return pressure.read(self.unified)

    def _cpu(self) -> CpuStats:
        limits, use = self.find("cpu", ""), self.find("cpuacct", "")
        if limits or use:
            return cpu.read_v1(limits and limits[1], use and use[1])
        return cpu.read_v2(self.unified) if self.unified else CpuStats()

    def _memory(self) -> MemoryStats:
        found = self.find("memory", "memory")
        if found is None:
            return MemoryStats(stat={})
        return (memory.read_v1 if found[0] == 1 else memory.read_v2)(found[1])

    def _pids(self) -> PidsStats:
        found = self.find("pids", "pids")
        return pids.read(found[1]) if found else PidsStats()


def _checked(path: str) -> str:
    parts = path.strip("/").split("/")
    if any(part in {"", ".", ".."} for part in parts):
        raise InvalidArgument(f"cgroup path must be relative names, got {path!r}")
    return "/".join(parts)
