"""Any view as text or JSON: ``berth get VIEW``, ``berth ps``, ``berth image ls``."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import asdict, replace
from typing import Any

from tui.clients import Client, ClientError
from tui.models import Container, Feature, HostSample, Image, NodeInfo, Sample, group_pods
from tui.render import containers, images, metrics, node, pods
from tui.render.table import text_sections, text_table

SWEEP_SECONDS = 10.0
HOST_SPACING = 0.5

Samples = dict[str, Sample]


async def all_containers(client: Client) -> list[Container]:
    """Every container with its times, restarts and limits; one that vanishes is left out."""
    rows = await client.containers.list()
    details = await asyncio.gather(
        *(client.containers.inspect(row.id) for row in rows), return_exceptions=True
    )
    found: list[Container] = []
    for detail in details:
        if isinstance(detail, ClientError):
            continue
        if isinstance(detail, BaseException):
            raise detail
        found.append(detail.container)
    return sorted(found, key=lambda item: item.name)


async def samples_of(client: Client, found: Sequence[Container]) -> Samples:
    """One reading of every running container, the quickest way this engine has."""
    info = client.info
    if info is not None and info.has(Feature.METRICS_STREAM):
        return (await _sweep(client))[1]
    running = [item for item in found if item.running]
    results = await asyncio.gather(
        *(client.containers.stats(item.id) for item in running), return_exceptions=True
    )
    pairs = zip(running, results, strict=True)
    return {item.id: _completed(item, one) for item, one in pairs if isinstance(one, Sample)}


def _completed(container: Container, sample: Sample) -> Sample:
    """dockerd's samples tell neither the CPU limit nor OOM kills; its inspect does."""
    ooms = int(container.oom_killed)
    return replace(sample, cpu_limit=container.limits.cpus, oom_kills=ooms)


async def _sweep(client: Client) -> tuple[HostSample, Samples]:
    async with asyncio.timeout(SWEEP_SECONDS), aclosing(client.berth.metrics()) as sweeps:
        async for sweep in sweeps:
            return sweep.host, dict(sweep.containers)
    raise ClientError("the engine sent no metrics")


async def host_sample(client: Client, data_dir: str) -> HostSample | None:
    """The engine's machine; None when it is another machine and does not tell."""
    info = client.info
    if info is not None and info.has(Feature.METRICS_STREAM):
        return (await _sweep(client))[0]
    if info is None or not info.local:
        return None
    from tui.informers.local import LocalHost

    host = LocalHost(data_dir)
    await asyncio.to_thread(host.read)
    await asyncio.sleep(HOST_SPACING)
    return await asyncio.to_thread(host.read)


def containers_table(found: Sequence[Container], samples: Samples) -> str:
    """The container list as text."""
    now = time.time()
    rows = [containers.row(item, samples.get(item.id), now) for item in found]
    return text_table(containers.COLUMNS, rows)


def images_table(found: Iterable[Image], used: Sequence[str]) -> str:
    """The image list as text; ``used`` are the image ids of the containers."""
    now = time.time()
    ordered = sorted(found, key=lambda item: item.name)
    rows = [images.row(item, now, images.users(item, used)) for item in ordered]
    return text_table(images.COLUMNS, rows)


def metrics_table(found: Sequence[Container], samples: Samples) -> str:
    """Every figure of every running container as text."""
    rows = [metrics.row(item, samples.get(item.id)) for item in found if item.running]
    return text_table(metrics.COLUMNS, rows)


def pods_table(found: Sequence[Container], samples: Samples) -> str:
    """Containers grouped by their labels as text."""
    now = time.time()
    groups = group_pods(found)
    rows = [row.cells for one in groups for row in pods.rows(one, samples.get, now)]
    return text_table(pods.COLUMNS, rows)


async def containers_view(client: Client, *, as_json: bool, running: bool = False) -> str:
    """``berth get containers``, and with ``running`` alone ``berth ps``."""
    found = [item for item in await all_containers(client) if item.running or not running]
    if as_json:
        return _json([asdict(item) for item in found])
    return containers_table(found, await samples_of(client, found))


async def images_view(client: Client, *, as_json: bool) -> str:
    """``berth get images``."""
    found = await client.images.list()
    if as_json:
        return _json([asdict(item) for item in found])
    return images_table(found, [item.image_id for item in await client.containers.list()])


async def metrics_view(client: Client, *, as_json: bool) -> str:
    """``berth get metrics``."""
    found = await all_containers(client)
    samples = await samples_of(client, found)
    if as_json:
        known = [(item, samples[item.id]) for item in found if item.id in samples]
        return _json([{"id": item.id, "name": item.name, **asdict(one)} for item, one in known])
    return metrics_table(found, samples)


async def node_view(client: Client, *, as_json: bool) -> str:
    """``berth get node``."""
    info: NodeInfo = await client.node()
    host = await host_sample(client, info.data_dir)
    if as_json:
        return _json({**asdict(info), "load": asdict(host) if host else None})
    return text_sections(node.sections(info, host, client.info))


async def pods_view(client: Client, *, as_json: bool) -> str:
    """``berth get pods``."""
    found = await all_containers(client)
    if as_json:
        groups = group_pods(found)
        return _json(
            [{"name": one.name, "containers": [c.name for c in one.containers]} for one in groups]
        )
    return pods_table(found, await samples_of(client, found))


VIEWS: dict[str, Callable[..., Awaitable[str]]] = {
    "containers": containers_view,
    "images": images_view,
    "metrics": metrics_view,
    "node": node_view,
    "pods": pods_view,
}


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
