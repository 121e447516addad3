"""``/berth/v1``: what berth's engine has and Docker's API has no word for."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from tui.clients.docker.progress import lines
from tui.clients.docker.values import section, strings, text
from tui.clients.errors import ClientError, Unreachable
from tui.clients.transport import Transport
from tui.models import HostSample, Sample

AnySample = TypeVar("AnySample", Sample, HostSample)

ROOT = "/berth/v1"


@dataclass(frozen=True, slots=True)
class BerthInfo:
    """What the engine says of itself."""

    version: str
    features: frozenset[str]
    data_dir: str
    cgroup: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sweep:
    """One second of everything: the host and every running container by id."""

    t: float
    host: HostSample
    containers: Mapping[str, Sample]


class Berth:
    """Calls raise ``NotFound`` on an engine that is not berth's."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def info(self) -> BerthInfo | None:
        """None when the engine is not berth's.

        Raises:
            Unreachable: when nothing answers at all.
        """
        try:
            data = await self._get("/info")
        except Unreachable:
            raise
        except ClientError:
            return None
        if "features" not in data:
            return None
        return BerthInfo(
            version=text(data, "version"),
            features=frozenset(strings(data, "features")),
            data_dir=text(data, "data_dir"),
            cgroup=text(data, "cgroup"),
            warnings=strings(data, "warnings"),
        )

    async def history(self, container_id: str) -> list[Sample]:
        """Up to ten minutes of one container, oldest first."""
        return _columns(Sample, await self._get("/metrics/history", {"container": container_id}))

    async def host_history(self) -> list[HostSample]:
        """Up to ten minutes of the host, oldest first."""
        return _columns(HostSample, await self._get("/metrics/history"))

    async def _get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        return await self._transport.json("GET", ROOT + path, params=params, versioned=False)

    async def metrics(self) -> AsyncGenerator[Sweep, None]:
        """A sweep a second, until the engine ends the stream."""
        documents = self._transport.json_lines("GET", f"{ROOT}/metrics/stream", versioned=False)
        async with aclosing(documents) as stream:
            async for data in stream:
                yield _sweep(data)

    async def from_host(self, programs: Sequence[str], reference: str) -> AsyncGenerator[str, None]:
        """Makes an image of programs of the engine's own machine; yields what it does."""
        body = {"programs": list(programs), "reference": reference}
        async with self._transport.stream(
            "POST", f"{ROOT}/images/from-host", body=body, header_seconds=None, versioned=False
        ) as response:
            async for line in lines(response.content.iter_any()):
                yield line


def _sweep(data: Mapping[str, Any]) -> Sweep:
    moment = float(data.get("t") or 0.0)
    containers = section(data, "containers")
    return Sweep(
        t=moment,
        host=_one(HostSample, section(data, "host"), moment),
        containers={key: _one(Sample, section(containers, key), moment) for key in containers},
    )


def _one(kind: type[AnySample], data: Mapping[str, Any], moment: float) -> AnySample:
    values = {field.name: data.get(field.name) for field in fields(kind) if field.name != "t"}
    return kind(float(data.get("t") or moment), **values)


def _columns(kind: type[AnySample], data: Mapping[str, Any]) -> list[AnySample]:
    columns = section(data, "columns")
    length = max((len(column) for column in columns.values()), default=0)
    known = {field.name for field in fields(kind)} & columns.keys()
    return [
        _one(kind, {name: columns[name][at] for name in known if at < len(columns[name])}, 0.0)
        for at in range(length)
    ]
