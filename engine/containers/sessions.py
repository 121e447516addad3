"""Exec sessions by id. Those that were started are kept as documents too: their processes outlive
the engine, and who asks the next one for their exit code gets an answer."""

import asyncio
import dataclasses
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.containers.codec import Damaged, decode, encode
from engine.containers.model import Exec
from engine.containers.ports import ExecSession
from engine.errors import NotFound, Unavailable
from engine.metadata import Table

log = logging.getLogger(__name__)

KEPT = 300.0
"""Seconds a finished session can still be inspected."""


@dataclass(eq=False, slots=True)
class Session:
    """One `docker exec`: `process` is set while it runs, `finished_at` (ns) after.

    `pid_start` tells its process from a later one with the same number.
    """

    record: Exec
    process: ExecSession | None = None
    watcher: asyncio.Task[None] | None = None
    started: bool = False
    pid_start: int = 0
    finished_at: int = 0

    def change(self, **fields: Any) -> None:
        self.record = dataclasses.replace(self.record, **fields)


class Sessions:
    def __init__(self, table: Table) -> None:
        self._sessions: dict[str, Session] = {}
        self._table = table

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
        return tuple(session.record.id for session in self.unfinished(container_id))

    def unfinished(self, container_id: str) -> list[Session]:
        mine = (s for s in self._sessions.values() if s.record.container_id == container_id)
        return [session for session in mine if not session.finished_at]

    def keep(self, session: Session) -> None:
        """Write down how it stands. A disk that is full costs what the next engine could know."""
        document = {
            "record": encode(session.record),
            "pid_start": session.pid_start,
            "finished_at": session.finished_at,
        }
        try:
            self._table.put(session.record.id, document)
        except Unavailable as error:
            log.error("exec %s is not saved: %s", session.record.id[:12], error)

    def load(self) -> None:
        """Those that the engine before this one has started."""
        for key, document in self._table.items():
            try:
                self._sessions[key] = _read(document)
            except (Damaged, LookupError, TypeError, ValueError) as error:
                log.warning("exec %s is forgotten, its record is damaged: %s", key, error)
                self._drop(key)
        self._forget_old()

    def forget(self, container_id: str) -> None:
        mine = [k for k, s in self._sessions.items() if s.record.container_id == container_id]
        for key in mine:
            self._drop(key)

    def containers(self) -> Iterator[str]:
        """Ids of the containers that sessions are known of."""
        yield from {session.record.container_id for session in self._sessions.values()}

    def _forget_old(self) -> None:
        limit = time.time_ns() - int(KEPT * 1e9)
        old = [k for k, s in self._sessions.items() if s.finished_at and s.finished_at < limit]
        for key in old:
            self._drop(key)

    def _drop(self, key: str) -> None:
        session = self._sessions.pop(key, None)
        if session is not None and not session.started:
            return  # it was never written down
        try:
            self._table.delete(key)
        except Unavailable as error:
            log.error("exec %s is not removed: %s", key[:12], error)


def _read(document: dict[str, Any]) -> Session:
    return Session(
        decode(Exec, document["record"]),
        started=True,
        pid_start=int(document["pid_start"]),
        finished_at=int(document["finished_at"]),
    )
