"""What the handlers need of the rooms below: the smallest interface that serves them."""

import builtins
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from engine.containers.filters import Filters
from engine.containers.model import (
    AttachOptions,
    Config,
    Container,
    Created,
    Exec,
    ExecConfig,
    HostConfig,
    LogEntry,
    LogOptions,
    Pruned,
    Resources,
    RestartPolicy,
    Size,
    Top,
    WaitResult,
)
from engine.dockerapi.hijack import Stream
from engine.images.model import HistoryEntry, Image, Removed
from engine.metrics import Sweep
from engine.runtime.cgroups.stats import Stats
from engine.runtime.mount import Mount

Number = float | int | None
Condition = Literal["not-running", "next-exit", "removed"]


class Containers(Protocol):
    """The container service."""

    async def create(self, name: str | None, config: Config, host: HostConfig) -> Created: ...
    def get(self, ref: str) -> Container: ...
    def list(
        self, filters: Filters, *, all: bool = False, limit: int | None = None
    ) -> builtins.list[Container]: ...
    async def start(self, ref: str) -> bool: ...
    async def stop(
        self, ref: str, timeout: int | None = None, signal: str | None = None
    ) -> bool: ...
    async def restart(
        self, ref: str, timeout: int | None = None, signal: str | None = None
    ) -> None: ...
    async def kill(self, ref: str, signal: str = "SIGKILL") -> None: ...
    async def pause(self, ref: str) -> None: ...
    async def unpause(self, ref: str) -> None: ...
    async def rename(self, ref: str, name: str) -> None: ...
    async def remove(self, ref: str, *, force: bool = False, volumes: bool = False) -> None: ...
    def wait(self, ref: str, condition: Condition = "not-running") -> Awaitable[WaitResult]: ...
    def logs(self, ref: str, options: LogOptions) -> AsyncIterator[LogEntry]: ...
    async def top(self, ref: str, ps_args: str = "") -> Top: ...
    async def resize(self, ref: str, height: int, width: int) -> None: ...
    async def attach(self, ref: str, options: AttachOptions) -> Stream: ...
    def exec_create(self, ref: str, config: ExecConfig) -> str: ...
    async def exec_start(
        self, exec_id: str, *, detach: bool = False, tty_size: tuple[int, int] | None = None
    ) -> Stream | None: ...
    def exec_inspect(self, exec_id: str) -> Exec: ...
    async def exec_resize(self, exec_id: str, height: int, width: int) -> None: ...
    async def update(
        self, ref: str, resources: Resources, restart_policy: RestartPolicy | None = None
    ) -> builtins.list[str]: ...
    async def prune(self, filters: Filters) -> Pruned: ...
    async def size(self, ref: str) -> Size: ...
    def statistics(self, ref: str) -> Stats | None: ...


class Images(Protocol):
    """The image service."""

    def resolve(self, name: str) -> Image: ...
    def list(self) -> builtins.list[Image]: ...
    def history(self, name: str) -> builtins.list[HistoryEntry]: ...
    async def load(self, chunks: AsyncIterator[bytes]) -> builtins.list[str]: ...
    async def import_rootfs(
        self,
        chunks: AsyncIterator[bytes],
        reference: str | None,
        *,
        changes: Sequence[str] = (),
        message: str = "",
    ) -> Image: ...
    async def from_host(
        self, programs: Sequence[str], reference: str, progress: Callable[[str], None]
    ) -> Image: ...
    def tag(self, name: str, target: str) -> None: ...
    async def remove(
        self, name: str, *, force: bool = False, prune: bool = True
    ) -> builtins.list[Removed]: ...


class Events(Protocol):
    """The event exchange."""

    def subscribe(
        self, filters: Any = None, since_ns: int | None = None, until_ns: int | None = None
    ) -> Any: ...


class Sampler(Protocol):
    """Metric history and the live sweep."""

    interval: float

    def history(self, container_id: str | None = None) -> "dict[str, list[Number]]": ...
    def subscribe(self) -> AsyncIterator[Sweep]: ...
    def prometheus(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of this engine and does not change while it runs.

    `controllers` are those that can be used, by their names in the hierarchy that has them.
    """

    id: str
    data_dir: Path
    cgroup_mode: str
    controllers: frozenset[str]
    swap_limit: bool
    snapshotter: str
    started_at: int
    warnings: Callable[[], Sequence[str]]
    rootless: bool = False
    cgroup_driver: str = "cgroupfs"


@dataclass(frozen=True, slots=True)
class Rooms:
    """Everything the API stands on.

    `root_of` gives the mounts of a container's root, `layers_size` the bytes of all layers.
    """

    containers: Containers
    images: Images
    events: Events
    sampler: Sampler
    facts: Facts
    root_of: Callable[[str], Sequence[Mount]]
    layers_size: Callable[[], int]
