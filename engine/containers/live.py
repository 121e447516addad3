"""A container as the engine holds it: its record, its monitor, and who waits for it."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.containers.model import Container, Status, WaitResult
from engine.containers.ports import Monitor

if TYPE_CHECKING:
    from engine.containers.attach import PendingStream


@dataclass(eq=False, slots=True)
class Live:
    """Mutable, one per container; the record inside is replaced as a whole.

    `lock` serialises the verbs that change the process. An exit is recorded without it, because
    the process ends when it likes, also while `stop` holds the lock and waits for just that.
    """

    record: Container
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    monitor: Monitor | None = None
    watcher: asyncio.Task[None] | None = None
    revival: asyncio.Task[None] | None = None
    health: asyncio.Task[None] | None = None
    exit_waiters: "list[asyncio.Future[WaitResult]]" = field(default_factory=list)
    removal_waiters: "list[asyncio.Future[WaitResult]]" = field(default_factory=list)
    pending: "list[PendingStream]" = field(default_factory=list)
    backoff: float = 0.0
    keep: bool = False
    removing: bool = False

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def status(self) -> Status:
        return self.record.state.status

    @property
    def running(self) -> bool:
        """It has a process, frozen or not."""
        return self.status in (Status.RUNNING, Status.PAUSED)

    @property
    def alive(self) -> bool:
        """It has a process, or is about to have one again."""
        return self.running or self.status is Status.RESTARTING

    async def settle(self) -> None:
        """Wait until the last run is cleaned up: its bundle and cgroup have the same names."""
        if self.watcher is not None:
            await asyncio.wait({self.watcher})
            self.watcher = None
