"""Exec sessions by id. They live as long as the engine and their container; nothing is stored."""

import asyncio
import dataclasses
import time
from dataclasses import dataclass
from typing import Any

from engine.containers.model import Exec
from engine.containers.ports import ExecSession
from engine.errors import NotFound

KEPT = 300.0
"""Seconds a finished session can still be inspected."""


@dataclass(eq=False, slots=True)
class Session:
    """One `docker exec`: `process` is set while it runs, `finished_at` (monotonic) after."""

    record: Exec
    process: ExecSession | None = None
    watcher: asyncio.Task[None] | None = None
    started: bool = False
    finished_at: float = 0.0

    def change(self, **fields: Any) -> None:
        self.record = dataclasses.replace(self.record, **fields)


class Sessions:
    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def add(self, session: Session) -> None:
        self._forget_old()
        self._sessions[session.record.id] = session

    def find(self, exec_id: str) -> Session:
        """Raises NotFound."""
        session = self._sessions.get(exec_id)
        if session is None:
            raise NotFound(f"No such exec instance: {exec_id}")
        return session

    def of(self, container_id: str) -> tuple[str, ...]:
        """Ids of a container's sessions that have not ended."""
        mine = (s for s in self._sessions.values() if s.record.container_id == container_id)
        return tuple(session.record.id for session in mine if not session.finished_at)

    def forget(self, container_id: str) -> None:
        mine = [k for k, s in self._sessions.items() if s.record.container_id == container_id]
        for key in mine:
            del self._sessions[key]

    def _forget_old(self) -> None:
        limit = time.monotonic() - KEPT
        old = [k for k, s in self._sessions.items() if s.finished_at and s.finished_at < limit]
        for key in old:
            del self._sessions[key]
