"""Sweeps over real cgroups."""

import asyncio
import gc
import os
import time

import pytest

from engine.errors import NotFound
from engine.metrics import Sampler
from engine.metrics.history import CONTAINER, HOST, SAMPLES
from engine.metrics.sampler import LIMITS_A_SWEEP
from engine.runtime.cgroups import Layout, Manager, Resources
from tests.conftest import eventually
from tests.unit.metrics.conftest import PARENT, Make, Start

pytestmark = pytest.mark.root
MIB = 1 << 20
BURN = "while True: pass"
HOLD = "hog = bytearray(16 << 20)\nprint(1, flush=True)\nsys.stdin.read()"


WINDOWS = 40


async def test_a_burner_shows_its_cores_and_its_quota(
    sampler: Sampler, make: Make, start: Start
) -> None:
    group = make("burner")
    group.apply(Resources(cpu_quota=5_000, cpu_period=50_000))
    child = start(group, BURN)
    sampler.track("a", group.path, child.pid)
    await sampler.sweep()
    for _ in range(WINDOWS):  # it has to start, and others may have the processors
        await asyncio.sleep(0.5)
        last = await swept(sampler)
        if last["cpu_cores"] > 0.03 and last["throttled_percent"] > 20:
            break
    assert last["cpu_limit"] == 0.1
    assert 0.03 < last["cpu_cores"] < 0.2
    assert last["throttled_percent"] > 20


async def swept(sampler: Sampler) -> dict[str, float]:
    """What a sweep has added, with 0 for what is not known."""
    await sampler.sweep()
    return {name: values[-1] or 0.0 for name, values in sampler.history("a").items()}


async def test_memory_and_pids(sampler: Sampler, make: Make, start: Start) -> None:
    group = make("holder")
    group.apply(Resources(memory=128 * MIB, pids_limit=7))
    child = start(group, HOLD)
    assert child.stdout is not None
    assert child.stdout.readline() == "1\n"
    sampler.track("a", group.path, child.pid)
    await sampler.sweep()
    last = {name: values[-1] for name, values in sampler.history("a").items()}
    assert 16 * MIB <= (last["memory_bytes"] or 0) < 128 * MIB
    assert (last["memory_limit"], last["pids"], last["pids_limit"]) == (128 * MIB, 1, 7)
    assert (last["oom_kills"], last["net_rx_bps"]) == (0, 0)


async def test_no_limit_is_null(sampler: Sampler, make: Make) -> None:
    group = make("free")
    sampler.track("a", group.path, os.getpid())
    await sampler.sweep()
    history = sampler.history("a")
    assert [history[n] for n in ("cpu_limit", "memory_limit", "pids_limit")] == [[None]] * 3
    assert list(history) == [column.name for column in CONTAINER]


async def test_changed_limits_show_at_once(sampler: Sampler, make: Make) -> None:
    group = make("changing")
    sampler.track("a", group.path, os.getpid())
    await sampler.sweep()
    group.apply(Resources(pids_limit=9))
    await sampler.sweep()
    assert sampler.history("a")["pids_limit"] == [None, 9]


async def test_among_many_they_show_at_once_when_told(
    sampler: Sampler, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.metrics.sampler.LIMITS_A_SWEEP", 1)
    for name in ("a", "b", "c"):
        sampler.track(name, make(name).path, os.getpid())
    await sampler.sweep()
    Manager(sampler.layout, f"{PARENT}/c").apply(Resources(pids_limit=9))
    sampler.refresh("c")
    await sampler.sweep()
    assert sampler.history("c")["pids_limit"] == [None, 9]


async def test_everyone_gets_a_turn(sampler: Sampler, make: Make) -> None:
    count = LIMITS_A_SWEEP * 2 + 1
    groups = [make(str(place)) for place in range(count)]
    for place, group in enumerate(groups):
        sampler.track(str(place), group.path, os.getpid())
    await sampler.sweep()
    for group in groups:
        group.apply(Resources(pids_limit=9))
    for _ in range(3):
        await sampler.sweep()
    assert {sampler.history(str(place))["pids_limit"][-1] for place in range(count)} == {9}


async def test_a_vanished_container_disturbs_nobody(sampler: Sampler, make: Make) -> None:
    gone, stays = make("gone"), make("stays")
    sampler.track("gone", gone.path, os.getpid())
    sampler.track("stays", stays.path, os.getpid())
    await sampler.sweep()
    gone.remove()
    await sampler.sweep()
    await sampler.sweep()
    assert len(sampler.history("gone")["t"]) == 1
    assert len(sampler.history("stays")["t"]) == 3
    assert 'id="gone"' not in sampler.prometheus()


async def test_a_container_tracked_before_its_cgroup_is_picked_up(
    sampler: Sampler, make: Make
) -> None:
    sampler.track("a", f"{PARENT}/later", os.getpid())
    await sampler.sweep()
    assert sampler.history("a")["t"] == []
    make("later")
    await sampler.sweep()
    assert len(sampler.history("a")["t"]) == 1


async def test_history_goes_on_over_a_restart(sampler: Sampler, make: Make) -> None:
    group = make("again")
    for _ in range(2):
        sampler.track("a", group.path, os.getpid())
        await sampler.sweep()
        sampler.untrack("a")
    assert len(sampler.history("a")["t"]) == 2
    sampler.forget("a")
    with pytest.raises(NotFound, match="no metrics for container a"):
        sampler.history("a")


async def test_no_descriptor_is_left(layout: Layout, make: Make) -> None:
    group = make("files")
    before = len(os.listdir("/proc/self/fd"))
    sampler = Sampler(layout=layout)
    sampler.track("a", group.path, os.getpid())
    await sampler.sweep()
    assert len(os.listdir("/proc/self/fd")) > before
    sampler.close()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_the_host(sampler: Sampler) -> None:
    async with asyncio.timeout(10):
        while not (sampler.history()["cpu_cores"] or [0.0])[-1]:  # its own work is enough
            await sampler.sweep()
    history = sampler.history()
    assert list(history) == [column.name for column in HOST]
    last = {name: values[-1] for name, values in history.items()}
    assert last["cpu_total"] == os.cpu_count()
    assert 0 < (last["cpu_cores"] or 0) <= (last["cpu_total"] or 0)
    assert 0 < (last["memory_bytes"] or 0) < (last["memory_limit"] or 0)
    assert 0 < (last["disk_bytes"] or 0) < (last["disk_limit"] or 0)
    assert (last["pids"] or 0) > 1


async def test_subscribers_get_every_sweep_and_an_end(sampler: Sampler, make: Make) -> None:
    group = make("watched")
    sampler.track("a", group.path, os.getpid(), "web")
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(sampler.run())
        seen = 0
        async for sweep in sampler.subscribe():
            assert set(sweep.containers["a"]) == {column.name for column in CONTAINER}
            assert sweep.host["t"] == pytest.approx(sweep.t, abs=0.001)
            seen += 1
            if seen == 3:
                running.cancel()
    assert seen >= 3


async def test_a_slow_subscriber_holds_up_nobody(sampler: Sampler) -> None:
    stream = sampler.subscribe()
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    for _ in range(20):
        await sampler.sweep()
    sampler.close()
    assert (await first).t > 0
    assert len([sweep async for sweep in stream]) < 20


async def test_ten_minutes_are_kept(sampler: Sampler) -> None:
    for _ in range(SAMPLES + 5):
        await sampler.sweep()
    assert len(sampler.history()["t"]) == SAMPLES


async def test_prometheus_text(sampler: Sampler, make: Make) -> None:
    group = make("exported")
    group.apply(Resources(memory=64 * MIB))
    sampler.track("0123", group.path, os.getpid(), 'we"b\\\n')
    await sampler.sweep()
    lines = sampler.prometheus().splitlines()
    labels = '{id="0123",name="we\\"b\\\\\\n"}'
    assert f"berth_container_memory_limit_bytes{labels} {64 * MIB}" in lines
    assert "# TYPE berth_container_cpu_seconds_total counter" in lines
    assert not any(line.startswith("berth_container_pids_limit{") for line in lines)
    assert any(line.startswith("berth_host_memory_total_bytes ") for line in lines)


async def test_waiting_for_a_processor_is_exported(
    sampler: Sampler, make: Make, start: Start
) -> None:
    group = make("crowded")
    if group.pressure() is None:
        pytest.skip("needs a kernel that counts pressure by cgroup (v2, psi=1)")
    for _ in range(2):
        start(group, "import os\nos.sched_setaffinity(0, {0})\nwhile True: pass")
    eventually(lambda: group.stats().pressure.cpu.some_us > 0)
    sampler.track("0123", group.path, os.getpid(), "web")
    await sampler.sweep()
    name = 'berth_container_pressure_cpu_waiting_seconds_total{id="0123",name="web"} '
    (line,) = (each for each in sampler.prometheus().splitlines() if each.startswith(name))
    assert float(line.split()[1]) > 0


async def test_prometheus_families_are_whole(sampler: Sampler, make: Make) -> None:
    for name in ("a", "b"):
        sampler.track(name, make(name).path, os.getpid(), name)
    await sampler.sweep()
    family, seen = "", set()
    for line in sampler.prometheus().splitlines():
        word = line.split()
        if line.startswith("# HELP"):
            family = word[2]
            assert family not in seen
            seen.add(family)
        elif line.startswith("# TYPE"):
            assert word[2:] in ([family, "counter"], [family, "gauge"])
            assert (word[3] == "counter") == family.endswith("_total")
        else:
            assert line.split("{")[0].split()[0] == family
            float(word[-1])


@pytest.mark.slow
async def test_a_thousand_containers(sampler: Sampler, make: Make) -> None:
    for place in range(1000):
        sampler.track(str(place), make(str(place)).path, os.getpid())
    await sampler.sweep()
    gc.collect()
    best = min([await timed(sampler) for _ in range(10)])
    assert best < 0.020


async def timed(sampler: Sampler) -> float:
    began = time.process_time()
    await sampler.sweep()
    return time.process_time() - began
