"""The engine at the other end, and the machine it runs on."""

from dataclasses import dataclass
from enum import StrEnum


class Feature(StrEnum):
    """What berth's engine adds to the Docker Engine API; a dockerd has none of them."""

    HISTORY = "history"
    METRICS_STREAM = "metrics-stream"
    FROM_HOST = "from-host"


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Who answers, found once per connection."""

    name: str
    version: str
    api_version: str
    endpoint: str
    local: bool
    features: frozenset[str] = frozenset()
    cgroup: str = ""
    data_dir: str = ""
    warnings: tuple[str, ...] = ()

    def has(self, feature: Feature) -> bool:
        """Whether the engine serves a thing of berth's own; views grey out what it lacks."""
        return feature.value in self.features

    @property
    def is_berth(self) -> bool:
        """Whether ``/berth/v1`` answers at all."""
        return self.name == "berth"


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """The host as a node: capacity and what runs on it, from ``/info``.

    ``limits_memory`` and ``limits_cpu`` say what of a container the engine can limit there.
    """

    name: str
    os: str = ""
    kernel: str = ""
    architecture: str = ""
    cpus: int = 0
    memory: int = 0
    engine: str = ""
    engine_version: str = ""
    api_version: str = ""
    storage_driver: str = ""
    cgroup_version: str = ""
    cgroup_driver: str = ""
    data_dir: str = ""
    containers: int = 0
    running: int = 0
    paused: int = 0
    stopped: int = 0
    images: int = 0
    warnings: tuple[str, ...] = ()
    limits_memory: bool = True
    limits_cpu: bool = True


@dataclass(frozen=True, slots=True)
class Usage:
    """Disk used by the engine, in bytes, and what each kind holds."""

    layers: int
    images: int
    containers: int
    containers_bytes: int
