"""What the caches tell, given what the engine told."""

from tui.clients import Client, Endpoint
from tui.informers import ContainerInformer, Informer, Link, MetricsInformer, Series
from tui.models import (
    Container,
    ContainerDetail,
    ContainerState,
    EngineInfo,
    Event,
    Image,
    Sample,
)

INFO = EngineInfo("berth", "1", "1.47", "unix:///x", True)


def recorded(informer: Informer[Image]) -> list[str]:
    said: list[str] = []
    informer.watch(
        added=lambda item: said.append(f"+{item.id}"),
        updated=lambda old, new: said.append(f"~{old.size}->{new.size}"),
        deleted=lambda item: said.append(f"-{item.id}"),
        resynced=lambda items: said.append(f"={len(items)}"),
        changed=lambda: said.append("!"),
    )
    return said


def test_a_list_is_told_as_its_difference() -> None:
    informer: Informer[Image] = Informer(Link())
    informer.replace([Image("a", size=1), Image("b")])
    said = recorded(informer)
    informer.replace([Image("a", size=2), Image("c")])
    assert said == ["-b", "~1->2", "+c", "=2", "!"]
    assert informer.synced


def test_one_object_is_told_once_and_not_at_all_when_nothing_changed() -> None:
    informer: Informer[Image] = Informer(Link())
    said = recorded(informer)
    informer.put(Image("a", size=1))
    informer.put(Image("a", size=1))
    informer.drop("a")
    informer.drop("a")
    assert said == ["+a", "!", "-a", "!"]


def test_who_no_longer_watches_hears_nothing() -> None:
    informer: Informer[Image] = Informer(Link())
    said: list[Image] = []
    unsubscribe = informer.watch(added=said.append)
    unsubscribe()
    unsubscribe()
    informer.put(Image("a"))
    assert said == []


def test_a_lost_link_makes_every_cache_stale_and_keeps_who_it_was() -> None:
    link = Link()
    informer: Informer[Image] = Informer(link)
    changes: list[tuple[bool, str]] = []
    link.watch(lambda: changes.append((link.alive, link.reason)))
    link.up(INFO)
    link.up(INFO)
    assert not informer.stale
    link.down("gone")
    link.down("gone")
    assert informer.stale
    assert changes == [(True, ""), (False, "gone")]
    assert link.info is INFO


def test_a_series_keeps_ten_minutes_in_order() -> None:
    series: Series[Sample] = Series()
    for second in range(700):
        series.append(Sample(float(second), cpu_cores=second))
    series.append(Sample(5.0))
    assert len(series) == 600
    assert series.latest == Sample(699.0, cpu_cores=699)
    assert series.column("cpu_cores")[:2] == [100, 101]


def test_history_fills_in_before_and_between_what_was_streamed() -> None:
    series = Series([Sample(3.0, pids=1), Sample(5.0, pids=1)])
    series.merge([Sample(1.0), Sample(3.0, pids=9), Sample(4.0)])
    assert [sample.t for sample in series] == [1, 3, 4, 5]
    assert series[1].pids == 1


def metrics_of(*containers: Container) -> MetricsInformer:
    """Never connected: the figures are handed in as the engine's stream would."""
    client = Client(Endpoint(path="/nowhere"))
    listed = ContainerInformer(client, Link())
    listed.replace(containers)
    return MetricsInformer(client, listed)


def running(key: str, state: ContainerState = ContainerState.RUNNING) -> Container:
    return Container(id=key, name=key, image="i", state=state)


def test_only_what_is_shown_is_kept_and_not_for_ever() -> None:
    keys = [f"c{at}" for at in range(200)]
    metrics = metrics_of(*map(running, keys))
    metrics.show(keys[:64])
    for key in keys:
        metrics.keep(key, Sample(1.0, pids=1))
    assert metrics.latest("c199") == Sample(1.0, pids=1, oom_kills=0)
    assert (len(metrics.series("c0")), len(metrics.series("c199"))) == (1, 0)
    metrics.show(keys[64:128])
    metrics.show(keys[128:192])
    assert len(metrics.series("c0")) == 0


def test_oom_kills_outlive_the_cgroup_they_were_counted_in() -> None:
    metrics = metrics_of(running("a", ContainerState.RESTARTING), running("b"))
    for key in ("a", "b"):
        metrics.keep(key, Sample(1.0, pids=1, oom_kills=0))
        metrics.handle(Event("container", "oom", key, 1.0))
        metrics.handle(Event("container", "oom", key, 2.0))
    assert metrics.latest("a") == Sample(1.0, oom_kills=2)
    assert metrics.latest("b") == Sample(1.0, pids=1, oom_kills=2)


def test_figures_of_an_unknown_container_are_dropped() -> None:
    metrics = metrics_of()
    metrics.show(["gone"])
    metrics.keep("gone", Sample(1.0))
    assert metrics.latest("gone") is None
    assert len(metrics.series("gone")) == 0


async def test_an_answer_older_than_the_removal_brings_no_container_back() -> None:
    client = Client(Endpoint(path="/nowhere"))
    informer = ContainerInformer(client, Link())
    ending = Container("a" * 64, "web", "i", ContainerState.REMOVING)
    destroyed = Event("container", "destroy", ending.id, 0.0)

    async def inspect(ref: str) -> ContainerDetail:
        informer.handle(destroyed)
        return ContainerDetail(ending)

    async def listed() -> list[Container]:
        informer.handle(destroyed)
        return [ending]

    client.containers.inspect = inspect  # type: ignore[method-assign]
    client.containers.list = listed  # type: ignore[method-assign,assignment]
    informer.put(ending)
    await informer._inspect_some([ending.id])
    assert not informer.items
    await informer.sync()
    assert not informer.items
