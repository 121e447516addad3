"""Live figures: berth streams them for everything at once, dockerd per container on request."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import replace

from tui.clients import Client, ClientError, Sweep, Unreachable
from tui.informers.containers import ContainerInformer
from tui.informers.series import Series
from tui.informers.watchers import Unsubscribe, Watchers
from tui.models import Container, ContainerState, Event, Feature, HostSample, Sample

INTERVAL = 1.0
MOST_SHOWN = 64
MOST_KEPT = 128
RETRY_SECONDS = 1.0


class MetricsInformer:
    """Ten minutes of every container shown, and of the host.

    On berth the history is fetched when a container is first shown, so that a graph is full
    at once; on dockerd it grows from when it is shown, and only what is shown is measured.
    """

    def __init__(self, client: Client, containers: ContainerInformer) -> None:
        self._client = client
        self._containers = containers
        self._newest: dict[str, Sample] = {}
        self._series: dict[str, Series[Sample]] = {}
        self.host: Series[HostSample] = Series()
        self._shown: tuple[str, ...] = ()
        self._loaded: set[str] = set()
        self._wanted = asyncio.Event()
        self._ooms: dict[str, int] = {}
        self._watchers: Watchers[[]] = Watchers()
        containers.watch(deleted=self._forget)

    def watch(self, callback: Callable[[], None]) -> Unsubscribe:
        """Calls back about once a second, after new samples are in."""
        return self._watchers.add(callback)

    def series(self, key: str) -> Series[Sample]:
        """A shown container's samples, empty when there are none."""
        return self._series.get(key) or Series()

    def latest(self, key: str) -> Sample | None:
        """A container's newest sample; None once it does not run.

        While it waits for a restart it uses nothing: only its OOM kills are told.
        """
        container = self._containers.items.get(key)
        sample = self._newest.get(key)
        if container is None or not container.running or sample is None:
            return None
        ooms = max(sample.oom_kills or 0, self._ooms.get(key, 0), int(container.oom_killed))
        if container.state is ContainerState.RESTARTING:
            return Sample(sample.t, oom_kills=ooms)
        return sample if ooms == sample.oom_kills else replace(sample, oom_kills=ooms)

    def show(self, ids: Iterable[str]) -> None:
        """Tells which containers are on the screen, most important first."""
        self._shown = tuple(ids)[:MOST_SHOWN]
        for key in self._shown:
            self._series.setdefault(key, Series())
        if len(self._series) > MOST_KEPT:
            self._prune()
        self._wanted.set()

    def _prune(self) -> None:
        """Lets go of what is no longer shown: ten minutes of a thousand would be 100 MB."""
        for key in self._series.keys() - set(self._shown):
            del self._series[key]
            self._loaded.discard(key)

    def keep(self, key: str, sample: Sample) -> None:
        """Takes one new sample; one of a container that is gone is late, and dropped."""
        if key not in self._containers.items:
            return
        self._newest[key] = sample
        if key in self._series:
            self._series[key].append(sample)

    def handle(self, event: Event) -> None:
        """Counts OOM kills: dockerd tells them only so, and a restart's new cgroup begins at 0."""
        if event.kind == "container" and event.verb == "oom":
            self._ooms[event.id] = self._ooms.get(event.id, 0) + 1

    def _forget(self, container: Container) -> None:
        self._series.pop(container.id, None)
        self._newest.pop(container.id, None)
        self._ooms.pop(container.id, None)
        self._loaded.discard(container.id)

    async def work(self) -> None:
        """Measures until cancelled, in the way this engine can.

        Raises:
            Unreachable: when the engine is lost.
        """
        self._loaded.clear()
        info = self._client.info
        if info is not None and info.has(Feature.METRICS_STREAM):
            await self._stream_all(history=info.has(Feature.HISTORY))
        else:
            await self._stream_shown()

    # berth: one stream, histories on demand

    async def _stream_all(self, *, history: bool) -> None:
        async with asyncio.TaskGroup() as tasks:
            if history:
                tasks.create_task(self._load_histories())
            tasks.create_task(self._receive())

    async def _receive(self) -> None:
        while True:
            try:
                async with aclosing(self._client.berth.metrics()) as sweeps:
                    async for sweep in sweeps:
                        self._take(sweep)
            except Unreachable:
                raise
            except ClientError:
                pass  # the figures stop, the lists go on: try again below
            await asyncio.sleep(RETRY_SECONDS)

    def _take(self, sweep: Sweep) -> None:
        self.host.append(sweep.host)
        for key, sample in sweep.containers.items():
            self.keep(key, sample)
        self._watchers()

    async def _load_histories(self) -> None:
        self.host.merge(await self._client.berth.host_history())
        while True:
            for key in [key for key in self._shown if key not in self._loaded]:
                await self._load_history(key)
            await self._wanted.wait()
            self._wanted.clear()

    async def _load_history(self, key: str) -> None:
        self._loaded.add(key)
        try:
            history = await self._client.berth.history(key)
        except Unreachable:
            raise
        except ClientError:
            return  # gone, or without a history yet: the stream fills it
        if key in self._series:
            self._series[key].merge(history)
            self._watchers()

    # dockerd: a stream for each container on the screen

    async def _stream_shown(self) -> None:
        streams: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                self._reconcile(streams)
                await asyncio.sleep(INTERVAL)
                self._watchers()
        finally:
            for task in streams.values():
                task.cancel()
            await asyncio.gather(*streams.values(), return_exceptions=True)

    def _reconcile(self, streams: dict[str, asyncio.Task[None]]) -> None:
        items = self._containers.items
        wanted = {key for key in self._shown if key in items and items[key].running}
        for key in [key for key, task in streams.items() if key not in wanted or task.done()]:
            streams.pop(key).cancel()
        for key in wanted - streams.keys():
            streams[key] = asyncio.create_task(self._measure(key), name=f"stats {key[:12]}")

    async def _measure(self, key: str) -> None:
        try:
            async with aclosing(self._client.containers.stats_stream(key)) as samples:
                async for sample in samples:
                    self.keep(key, self._completed(key, sample))
        except ClientError:
            return  # stopped, removed or lost: the next round starts another if it is wanted

    def _completed(self, key: str, sample: Sample) -> Sample:
        container = self._containers.items.get(key)
        if container is None:
            return sample
        return replace(sample, cpu_limit=container.limits.cpus)
