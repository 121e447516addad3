"""The caches follow a real engine: no polling, no misses, and a lost link heals."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path

import pytest

from tests.system.daemons import Daemon
from tests.tui.clients.conftest import ENGINES, IMAGE, SECONDS, shell, until
from tui.clients import Client, Endpoint
from tui.informers import Hub
from tui.models import ContainerState

FOREVER = "trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done"
BURNER = "trap 'exit 0' TERM; while :; do :; done"
GROWER = "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done"
STALE_SECONDS = 3.0


async def test_what_others_do_is_seen(hub: Hub, engine: Daemon, name: str) -> None:
    states: list[ContainerState] = []
    hub.containers.watch(
        added=lambda item: states.append(item.state),
        updated=lambda _, new: states.append(new.state),
    )
    await asyncio.to_thread(
        engine.docker, "run", "-d", "--name", name, "--network", "none", IMAGE, "sh", "-c", FOREVER
    )
    await until(hub, lambda: ContainerState.RUNNING in states)
    await asyncio.to_thread(engine.docker, "pause", name)
    await until(hub, lambda: ContainerState.PAUSED in states)
    await asyncio.to_thread(engine.docker, "rm", "-f", name)
    await until(hub, lambda: all(item.name != name for item in hub.containers.items.values()))


async def test_details_are_filled_in_behind_the_list(client: Client, name: str) -> None:
    created = await client.containers.run(shell(name, FOREVER, memory=64 << 20))
    hub = Hub(client)
    task = asyncio.create_task(hub.run())
    try:
        await until(hub, lambda: created.id in hub.containers.items)
        await until(hub, lambda: hub.containers.items[created.id].detailed)
        assert hub.containers.items[created.id].limits.memory == 64 << 20
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_rename_is_seen(hub: Hub, client: Client, name: str) -> None:
    created = await client.containers.create(shell(f"{name}-a", FOREVER))
    await until(hub, lambda: created.id in hub.containers.items)
    await client.containers.rename(created.id, name)
    await until(hub, lambda: hub.containers.items[created.id].name == name)


async def test_an_oom_kill_and_the_restart_after_it_are_seen(
    hub: Hub, client: Client, name: str
) -> None:
    request = shell(name, GROWER, memory=32 << 20, restart_policy="on-failure:2")
    seen: list[tuple[bool, int | None]] = []
    hub.containers.watch(updated=lambda _, new: seen.append((new.oom_killed, new.restarts)))
    await client.containers.run(request)
    await until(hub, lambda: any(oom for oom, _ in seen))
    await until(hub, lambda: any((count or 0) > 0 for _, count in seen))


async def test_figures_flow_for_what_is_shown(hub: Hub, client: Client, name: str) -> None:
    created = await client.containers.run(shell(name, BURNER, cpus=0.3, memory=64 << 20))
    hub.metrics.show([created.id])

    def settled() -> bool:
        samples = list(hub.metrics.series(created.id))[-3:]
        used = [one.cpu_cores for one in samples if one.cpu_cores is not None]
        return len(used) == 3 and abs(sum(used) / 3 - 0.3) < 0.06

    await until(hub, settled)
    sample = hub.metrics.latest(created.id)
    assert sample is not None
    assert (sample.cpu_limit, sample.memory_limit) == (0.3, 64 << 20)
    assert (sample.throttled_percent or 0) > 50
    await until(hub, lambda: hub.metrics.host.latest and hub.metrics.host.latest.cpu_cores)
    await client.containers.stop(name, timeout=2)
    await until(hub, lambda: hub.metrics.latest(created.id) is None)


async def test_on_berth_the_graph_is_full_when_it_opens(
    client: Client, engine: Daemon, name: str
) -> None:
    if engine.kind != "berth":
        pytest.skip("dockerd keeps no history: its graphs grow from when they are shown")
    created = await client.containers.run(shell(name, FOREVER))
    async with asyncio.timeout(SECONDS):
        while len(await client.berth.history(created.id)) < 4:
            async with aclosing(client.berth.metrics()) as sweeps:
                await anext(sweeps)
    late = Hub(client)
    task = asyncio.create_task(late.run())
    try:
        late.metrics.show([created.id])
        await until(late, lambda: len(late.metrics.series(created.id)) >= 4)
        await until(late, lambda: len(late.metrics.host) >= 4)
        await until(late, lambda: len(late.metrics.series(created.id)) >= 6)
        times = [sample.t for sample in late.metrics.series(created.id)]
        gaps = [after - before for before, after in pairwise(times)]
        assert min(gaps) > 0.3, "no second is there twice"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_images_are_followed(hub: Hub, client: Client) -> None:
    await client.images.tag(IMAGE, "tagged", "7")
    await until(hub, lambda: any("tagged:7" in i.references for i in hub.images.items.values()))
    await client.images.remove("tagged:7")
    await until(hub, lambda: all("tagged:7" not in i.references for i in hub.images.items.values()))


async def test_pods_group_what_is_labelled(hub: Hub, client: Client, name: str) -> None:
    created = await client.containers.create(shell(name, FOREVER, labels={"berth.pod": name}))
    await until(hub, lambda: created.id in hub.containers.items)
    assert [one.id for pod in hub.pods() if pod.name == name for one in pod.containers] == [
        created.id
    ]


async def test_a_silent_engine_is_stale_in_three_seconds_and_heals(
    hub: Hub, engine: Daemon
) -> None:
    assert engine.process is not None
    os.kill(engine.process.pid, signal.SIGSTOP)
    started = time.monotonic()
    try:
        await until(hub, lambda: not hub.link.alive)
        assert time.monotonic() - started < STALE_SECONDS
        assert hub.containers.stale
        assert "no answer in time" in hub.link.reason
    finally:
        os.kill(engine.process.pid, signal.SIGCONT)
    await until(hub, lambda: hub.link.alive)
    assert not hub.images.stale


@pytest.fixture(params=ENGINES)
def own_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Daemon]:
    """An engine of the test's own, to be stopped and started."""
    daemon = Daemon(request.param, tmp_path / "own")
    daemon.start()
    yield daemon
    daemon.close()


@pytest.fixture
async def own_hub(own_engine: Daemon) -> AsyncIterator[Hub]:
    client = Client(Endpoint(path=str(own_engine.socket)))
    made = Hub(client)
    task = asyncio.create_task(made.run())
    await until(made, lambda: made.link.alive)
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await client.close()


async def test_an_engine_that_ends_is_seen_at_once_and_found_again(
    own_hub: Hub, own_engine: Daemon
) -> None:
    await asyncio.to_thread(own_engine.stop)
    await until(own_hub, lambda: not own_hub.link.alive)
    assert own_hub.link.reason
    assert own_hub.link.info is not None, "who it was is still known"
    await asyncio.to_thread(own_engine.start)
    await until(own_hub, lambda: own_hub.link.alive)
