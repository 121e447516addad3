"""One sweep a second over every container and the host; ten minutes of it are kept."""

import asyncio
import resource
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass

from engine.errors import NotFound
from engine.metrics import prometheus
from engine.metrics.history import CONTAINER, HOST, History, Number, row_as_dict
from engine.metrics.host import Host
from engine.metrics.probe import DESCRIPTORS, Probe
from engine.runtime.cgroups import Layout, detect

# Seconds of reading after which the loop gets its turn.
SLICE = 0.004
# How many containers have their limits, and their memory.stat, read in one sweep: up to so many
# there is nothing to wait for, and a thousand take turns.
LIMITS_A_SWEEP = 20
STATS_A_SWEEP = 100
# Histories of containers that stopped, kept for whoever looks at them or starts them again.
STOPPED_KEPT = 200
_BACKLOG = 4


@dataclass(frozen=True, slots=True)
class Sweep:
    """One sweep; figures by column name as in the histories, None for "no limit"."""

    t: float
    host: dict[str, Number]
    containers: dict[str, dict[str, Number]]


@dataclass(slots=True)
class Tracked:
    """One container being read; `row` is its last sample, None until there was one."""

    name: str
    probe: Probe
    history: History
    kept: bool
    row: tuple[float, ...] | None = None


class Sampler:
    """Owns the descriptors and the histories; everything in it runs in the event loop.

    `run` is the task that sweeps. A container that vanished is left out until it is untracked or
    tracked anew, and never disturbs the others.
    """

    def __init__(
        self, *, interval: float = 1.0, directory: str = "/", layout: Layout | None = None
    ) -> None:
        """`directory` is the data directory, whose file system the host figures include."""
        self.interval = interval
        self.sweep_seconds = 0.0
        self.layout = layout or detect()
        self._tracked: dict[str, Tracked] = {}
        self._keeping = 0
        self._sweeps = 0
        self._stopped: OrderedDict[str, History] = OrderedDict()
        self._host = Host(directory)
        self._host_history = History(HOST, "d")
        self._host_row: tuple[float, ...] | None = None
        self._watchers: set[asyncio.Queue[Sweep | None]] = set()
        self._closed = False

    def track(self, container_id: str, cgroup: str, pid: int, name: str = "") -> None:
        """Read this container from the next sweep on; its earlier history goes on.

        `cgroup` is the path below every hierarchy, `pid` the host's pid of its init. Again for
        the same id (a restart) replaces what was tracked.
        """
        earlier = self._tracked.get(container_id)
        self.untrack(container_id)
        history = self._stopped.pop(container_id, None) or History(CONTAINER)
        kept = self._may_keep()
        probe = Probe(self.layout, cgroup, pid, keep=kept)
        name = name or (earlier.name if earlier else "")
        self._tracked[container_id] = Tracked(name, probe, history, kept)
        self._keeping += kept

    def untrack(self, container_id: str) -> None:
        """Stop reading it and close its files; the history stays for a while. Idempotent."""
        tracked = self._tracked.pop(container_id, None)
        if tracked is None:
            return
        tracked.probe.close()
        self._keeping -= tracked.kept
        self._stopped[container_id] = tracked.history
        while len(self._stopped) > STOPPED_KEPT:
            self._stopped.popitem(last=False)

    def forget(self, container_id: str) -> None:
        """The container was removed: nothing of it is kept. Idempotent."""
        self.untrack(container_id)
        self._stopped.pop(container_id, None)

    def rename(self, container_id: str, name: str) -> None:
        """Export it under its new name from now on."""
        if container_id in self._tracked:
            self._tracked[container_id].name = name

    def refresh(self, container_id: str) -> None:
        """Its limits were changed: read them at the next sweep, not at the next turn of theirs."""
        if container_id in self._tracked:
            self._tracked[container_id].probe.limits_due = True

    def _may_keep(self) -> bool:
        """Half of the descriptors the process may have are for the clients and containers."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return limit == resource.RLIM_INFINITY or (self._keeping + 1) * DESCRIPTORS <= limit // 2

    def history(self, container_id: str | None = None) -> dict[str, list[Number]]:
        """Columns of one container, or of the host, oldest first; NotFound for a stranger."""
        if container_id is None:
            return self._host_history.columns()
        if container_id in self._tracked:
            return self._tracked[container_id].history.columns()
        if container_id in self._stopped:
            return self._stopped[container_id].columns()
        raise NotFound(f"no metrics for container {container_id}")

    async def subscribe(self) -> AsyncIterator[Sweep]:
        """Every sweep from now on, until the sampler is closed.

        A reader that falls behind misses the oldest ones; it never holds up the sampler.
        """
        queue: asyncio.Queue[Sweep | None] = asyncio.Queue(_BACKLOG)
        if self._closed:
            return
        self._watchers.add(queue)
        try:
            while (sweep := await queue.get()) is not None:
                yield sweep
        finally:
            self._watchers.discard(queue)

    async def run(self) -> None:
        """Sweep until cancelled, at a steady beat; a beat that was missed is left out."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        try:
            while True:
                await self.sweep()
                due = max(due + self.interval, loop.time())
                await asyncio.sleep(due - loop.time())
        finally:
            self.close()

    def close(self) -> None:
        """Close every file and end every subscription. Idempotent."""
        self._closed = True
        for container_id in list(self._tracked):
            self.untrack(container_id)
        for queue in self._watchers:
            _put(queue, None)

    async def sweep(self) -> None:
        """Read the host and every container once; the loop gets its turn in between."""
        began = time.perf_counter()
        now = time.time()
        self._host_row = self._host.read(now)
        self._host_history.append(self._host_row)
        self._give_turns()
        turn = time.perf_counter()
        for container_id in list(self._tracked):
            self._sample(container_id, now)
            if time.perf_counter() - turn > SLICE:
                await asyncio.sleep(0)
                turn = time.perf_counter()
        self.sweep_seconds = time.perf_counter() - began
        self._publish(now)

    def _give_turns(self) -> None:
        """Name those whose dearer files are read in this sweep, round and round."""
        probes = [tracked.probe for tracked in self._tracked.values()]
        for probe in _turn(probes, self._sweeps, LIMITS_A_SWEEP):
            probe.limits_due = True
        for probe in _turn(probes, self._sweeps, STATS_A_SWEEP):
            probe.stat_due = True
        self._sweeps += 1

    def _sample(self, container_id: str, now: float) -> None:
        """One container; one that vanished, now or while others were read, has no sample."""
        tracked = self._tracked.get(container_id)
        if tracked is None:
            return
        try:
            tracked.row = tracked.probe.read(now)
        except (OSError, ValueError):
            # ValueError: an empty file where a number was, which is how some of them go.
            tracked.row = None
            tracked.probe.close()
        else:
            tracked.history.append(tracked.row)

    def _publish(self, now: float) -> None:
        if not self._watchers or self._host_row is None:
            return
        containers = {
            container_id: row_as_dict(CONTAINER, tracked.row)
            for container_id, tracked in self._tracked.items()
            if tracked.row is not None
        }
        sweep = Sweep(now, row_as_dict(HOST, self._host_row), containers)
        for queue in self._watchers:
            _put(queue, sweep)

    def prometheus(self) -> str:
        """The last sweep in Prometheus' text format, version 0.0.4."""
        containers = [
            prometheus.Container(
                *(key, t.name, t.probe.counters, t.probe.slow, t.probe.limits, t.probe.pressure)
            )
            for key, t in self._tracked.items()
            if t.row is not None
        ]
        host = row_as_dict(HOST, self._host_row) if self._host_row else {}
        return prometheus.render(containers, host, self._host.totals, self.sweep_seconds)


def _turn(probes: list[Probe], sweep: int, size: int) -> list[Probe]:
    """The `size` probes whose turn it is."""
    rounds = -(-len(probes) // size) or 1
    start = sweep % rounds * size
    return probes[start : start + size]


def _put(queue: "asyncio.Queue[Sweep | None]", item: Sweep | None) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(item)
