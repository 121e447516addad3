"""A container as the lists show it, and as the inspect view does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ContainerState(StrEnum):
    """The Docker Engine API's words, and ``unknown`` for one a newer engine may add."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, word: str) -> "ContainerState":
        """Never raises: a word that is not ours must not lose the row."""
        try:
            return cls(word.lower())
        except ValueError:
            return cls.UNKNOWN


@dataclass(frozen=True, slots=True)
class PortMapping:
    """A published or exposed port; ``host_port`` is None when only exposed."""

    container_port: int
    protocol: str
    host_ip: str = ""
    host_port: int | None = None


@dataclass(frozen=True, slots=True)
class MountPoint:
    """One entry of the container's mount table that the user asked for."""

    kind: str
    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class NetworkAddress:
    """A network the container is attached to."""

    network: str
    address: str = ""
    mac: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the cgroup enforces; None where nothing is enforced."""

    cpus: float | None = None
    memory: int | None = None
    memory_swap: int | None = None
    pids: int | None = None
    cpu_shares: int | None = None
    cpuset: str = ""
    block_weight: int | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """What a row shows.

    The list call knows only part of it: ``detailed`` is False until one inspect has filled
    ``started_at``, ``finished_at``, ``restarts``, ``oom_killed``, ``pid`` and ``limits``.
    """

    id: str
    name: str
    image: str
    state: ContainerState
    image_id: str = ""
    command: str = ""
    created: float = 0.0
    status_text: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[PortMapping, ...] = ()
    exit_code: int | None = None
    health: str = ""
    started_at: float | None = None
    finished_at: float | None = None
    restarts: int | None = None
    oom_killed: bool = False
    error: str = ""
    pid: int = 0
    tty: bool = False
    limits: Limits = field(default_factory=Limits)
    restart_policy: str = "no"
    network_mode: str = ""
    detailed: bool = False

    @property
    def short_id(self) -> str:
        """The 12 digits every Docker tool prints."""
        return self.id[:12]

    @property
    def running(self) -> bool:
        """Has a process, paused or not: what stop, kill and exec need."""
        return self.state in (
            ContainerState.RUNNING,
            ContainerState.PAUSED,
            ContainerState.RESTARTING,
        )

    @property
    def paused(self) -> bool:
        """Its processes are frozen."""
        return self.state is ContainerState.PAUSED


@dataclass(frozen=True, slots=True)
class ContainerDetail:
    """Everything the inspect view groups, and the engine's own document as pretty JSON text."""

    container: Container
    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    hostname: str = ""
    open_stdin: bool = False
    stop_signal: str = ""
    stop_timeout: int | None = None
    auto_remove: bool = False
    privileged: bool = False
    read_only_root: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_options: tuple[str, ...] = ()
    networks: tuple[NetworkAddress, ...] = ()
    mounts: tuple[MountPoint, ...] = ()
    log_driver: str = ""
    log_path: str = ""
    cgroup_parent: str = ""
    runtime: str = ""
    storage_driver: str = ""
    raw_json: str = ""


@dataclass(frozen=True, slots=True)
class Processes:
    """The container's process table, as the engine's ps printed it."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
