"""What is asked of the engine as a whole."""

import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from tui.clients.docker.values import labels, number, rows, section, strings, text
from tui.clients.transport import Transport
from tui.models import Event, NodeInfo, Usage

OLDEST_API = (1, 24)
NEWEST_API = (1, 47)
PING_SECONDS = 1.5


class System:
    """Version, node, disk use and events; all raise ``ClientError``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def ping(self) -> None:
        """Whether the engine answers, within a bound short enough to call a link stale."""
        await self._transport.request("GET", "/_ping", seconds=PING_SECONDS, versioned=False)

    async def negotiate(self) -> tuple[str, str, str]:
        """(engine's name, its version, API version) and the prefix of every later path."""
        data = await self._transport.json("GET", "/version", versioned=False)
        version = agreed_version(text(data, "ApiVersion"))
        self._transport.prefix = f"/v{version}"
        return _engine_name(data), text(data, "Version"), version

    async def node(self) -> NodeInfo:
        """The machine the engine runs on."""
        data = await self._transport.json("GET", "/info")
        return _node(data)

    async def usage(self) -> Usage:
        """Disk use by kind, in bytes."""
        data = await self._transport.json("GET", "/system/df", seconds=60.0)
        containers = rows(data, "Containers")
        return Usage(
            layers=number(data, "LayersSize"),
            images=len(rows(data, "Images")),
            containers=len(containers),
            containers_bytes=sum(number(item, "SizeRw") for item in containers),
        )

    async def events(
        self, *, since: float | None = None, kinds: Sequence[str] = ()
    ) -> AsyncGenerator[Event | None, None]:
        """What happens, as it happens, until the engine ends the stream.

        The first item is None: the engine has accepted the subscription, so a list taken from
        now on misses nothing that the stream does not tell.
        """
        params = {"since": f"{since:.9f}"} if since is not None else {}
        params |= {"filters": json.dumps({"type": list(kinds)})} if kinds else {}
        documents = self._transport.json_lines("GET", "/events", params=params, announce=True)
        async with aclosing(documents) as stream:
            async for data in stream:
                yield None if data is None else _event(data)


def agreed_version(offered: str) -> str:
    """The newest version both sides speak; an engine that offers none is taken as the oldest."""
    if not re.fullmatch(r"[0-9]{1,4}\.[0-9]{1,4}", offered):
        return "{}.{}".format(*OLDEST_API)
    major, _, minor = offered.partition(".")
    return "{}.{}".format(*max(OLDEST_API, min((int(major), int(minor)), NEWEST_API)))


def _engine_name(data: Mapping[str, Any]) -> str:
    platform = text(section(data, "Platform"), "Name")
    components = [text(item, "Name") for item in rows(data, "Components")]
    names = " ".join([platform, *components]).lower()
    for known in ("berth", "podman"):
        if known in names:
            return known
    return "docker"


def _node(data: Mapping[str, Any]) -> NodeInfo:
    return NodeInfo(
        name=text(data, "Name"),
        os=text(data, "OperatingSystem"),
        kernel=text(data, "KernelVersion"),
        architecture=text(data, "Architecture"),
        cpus=number(data, "NCPU"),
        memory=number(data, "MemTotal"),
        engine_version=text(data, "ServerVersion"),
        storage_driver=text(data, "Driver"),
        cgroup_version=text(data, "CgroupVersion"),
        cgroup_driver=text(data, "CgroupDriver"),
        data_dir=text(data, "DockerRootDir"),
        containers=number(data, "Containers"),
        running=number(data, "ContainersRunning"),
        paused=number(data, "ContainersPaused"),
        stopped=number(data, "ContainersStopped"),
        images=number(data, "Images"),
        warnings=strings(data, "Warnings"),
        limits_memory=data.get("MemoryLimit") is not False,
        limits_cpu=data.get("CpuCfsQuota") is not False,
    )


def _event(data: Mapping[str, Any]) -> Event:
    actor = section(data, "Actor")
    nanos = number(data, "timeNano")
    return Event(
        kind=text(data, "Type"),
        action=text(data, "Action"),
        id=text(actor, "ID") or text(data, "id"),
        time=nanos / 1e9 if nanos else float(number(data, "time")),
        attributes=labels(actor, "Attributes"),
    )
