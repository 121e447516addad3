"""What every verb works with: the rooms below, the containers, and the way to change a state."""

import dataclasses
import json
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.containers.codec import encode
from engine.containers.host import Host
from engine.containers.live import Live
from engine.containers.paths import Paths
from engine.containers.ports import Images, Launcher, Sampler
from engine.containers.registry import Registry
from engine.containers.sessions import Sessions
from engine.containers.tasks import Tasks
from engine.errors import Unavailable
from engine.events import Event, Exchange
from engine.metadata import Database, Table

log = logging.getLogger(__name__)

TABLE, EXECS = "containers", "execs"


@dataclass(slots=True)
class Context:
    """Shared by the verbs of one service; made once by `make`."""

    paths: Paths
    launcher: Launcher
    images: Images
    sampler: Sampler | None
    database: Database
    table: Table
    execs: Sessions
    events: Exchange
    cgroup_parent: str
    cgroup_driver: str
    host: Host
    registry: Registry = field(default_factory=Registry)
    tasks: Tasks = field(default_factory=Tasks)
    warnings: list[str] = field(default_factory=list)
    recovered: set[str] = field(default_factory=set)
    closing: bool = False

    @classmethod
    def make(
        cls,
        *,
        data_dir: Path,
        run_dir: Path,
        launcher: Launcher,
        images: Images,
        database: Database,
        events: Exchange,
        sampler: Sampler | None,
        cgroup_parent: str,
        cgroup_driver: str,
    ) -> "Context":
        return cls(
            paths=Paths(data_dir, run_dir),
            launcher=launcher,
            images=images,
            sampler=sampler,
            database=database,
            table=database.table(TABLE),
            execs=Sessions(database.table(EXECS)),
            events=events,
            cgroup_parent=cgroup_parent,
            cgroup_driver=cgroup_driver,
            host=Host.detect(),
        )

    def save(self, live: Live) -> None:
        self.table.put(live.id, encode(live.record))

    def save_copy(self, live: Live) -> None:
        """Write the record beside the log as well: what survives a damaged database."""
        path = self.paths.record(live.id)
        draft = path.with_suffix(".new")
        try:
            draft.write_text(json.dumps(encode(live.record)))
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def change(self, live: Live, *, copied: bool = False, **fields: Any) -> None:
        """Replace fields of the record and save it; `copied` is for what its copy has to know.

        What has happened has happened: a full disk is said, and keeps nobody from hearing of it.
        """
        live.record = dataclasses.replace(live.record, **fields)
        try:
            self.save(live)
            if copied:
                self.save_copy(live)
        except (Unavailable, OSError) as error:
            log.error("the state of container %s is not saved: %s", live.name, error)

    def require(self, live: Live, **fields: Any) -> None:
        """Replace fields of the record and its copy, or nothing: for what somebody wishes.

        Raises:
            Unavailable: it cannot be written; the record is as it was.
        """
        before = live.record
        live.record = dataclasses.replace(before, **fields)
        try:
            self.save_copy(live)
            self.save(live)
        except BaseException as error:
            live.record = before
            with suppress(OSError):  # the copy is old, or new and as good: the table is what counts
                self.save_copy(live)
            if isinstance(error, OSError):
                raise Unavailable(f"cannot write the record of {live.name}: {error}") from error
            raise

    def change_state(self, live: Live, **fields: Any) -> None:
        """Replace fields of the state and save the record."""
        self.change(live, state=dataclasses.replace(live.record.state, **fields))

    def publish(self, live: Live, action: str, **attributes: str) -> None:
        """Publish a container event with Docker's attributes: image, name and the labels."""
        config = live.record.config
        known = {**config.labels, "image": config.image, "name": live.name}
        self.events.publish(Event("container", action, live.id, {**known, **attributes}))

    def cgroup_parent_of(self, live: Live) -> str:
        """Relative to every hierarchy's root, or the name of a slice."""
        return live.record.host_config.cgroup_parent.strip("/") or self.cgroup_parent

    def warn(self, message: str) -> None:
        """Say what a person should know, in the log and in `Containers.warnings`."""
        log.warning(message)
        self.warnings.append(message)

    async def close(self) -> None:
        self.closing = True
        await self.tasks.close()
