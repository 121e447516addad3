"""The container service: every verb the APIs have, each delegated to the file of its name."""

import builtins
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Literal

from engine.containers import (
    attach,
    create,
    exec,
    kill,
    listing,
    logs,
    pause,
    prune,
    remove,
    rename,
    resize,
    restart,
    restore,
    start,
    stats,
    stop,
    top,
    update,
    wait,
)
from engine.containers.context import Context
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
from engine.containers.ports import Images, Launcher, Sampler, Stream
from engine.events import Exchange
from engine.metadata import Database
from engine.runtime.cgroups import Stats, placement

Condition = Literal["not-running", "next-exit", "removed"]


class Containers:
    """All containers of one engine; `ref` is a full id, a name, or the beginning of one id.

    Every verb raises `NotFound` for a reference that names nothing and `InvalidArgument` for one
    that names several. Call `restore` once before anything else, `close` once at the end;
    containers keep running across both.
    """

    def __init__(
        self,
        *,
        data_dir: Path,
        run_dir: Path,
        launcher: Launcher,
        images: Images,
        database: Database,
        events: Exchange,
        sampler: Sampler | None = None,
        cgroup_parent: str = "berth",
        cgroup_driver: str = placement.CGROUPFS,
    ) -> None:
        self._context = Context.make(
            data_dir=data_dir,
            run_dir=run_dir,
            launcher=launcher,
            images=images,
            database=database,
            events=events,
            sampler=sampler,
            cgroup_parent=cgroup_parent,
            cgroup_driver=cgroup_driver,
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What `restore` found damaged or lost, in words for a person."""
        return tuple(self._context.warnings)

    def in_use(self, image_id: str) -> builtins.list[str]:
        """Ids of the containers, running or not, that were made of this image."""
        return [c.id for c in self._context.registry.containers() if c.image_id == image_id]

    def is_running(self, container_id: str) -> bool:
        """Whether this container has a process; False for an id that is gone."""
        live = self._context.registry.get(container_id)
        return live is not None and live.running

    async def create(self, name: str | None, config: Config, host: HostConfig) -> Created:
        """Validate, merge with the image's defaults, and record a container; starts nothing.

        Raises:
            InvalidArgument: what is wrong, in Docker's words.
            NotFound: no such image.
            Conflict: the name is taken.
            Unsupported: a feature this engine does not have yet.
        """
        return await create.create(self._context, name, config, host)

    def get(self, ref: str) -> Container:
        return self._context.registry.find(ref).record

    def list(
        self, filters: Filters, *, all: bool = False, limit: int | None = None
    ) -> builtins.list[Container]:
        """Newest first; only running ones unless `all`, `limit` or a status filter says else."""
        return listing.containers(self._context, filters, all=all, limit=limit)

    async def start(self, ref: str) -> bool:
        """Start it; False when it is running already.

        Raises:
            CommandNotFound: the program does not exist in the container.
            CommandNotExecutable: it exists and cannot be executed.
            RuntimeFailure: the kernel refused a step.
        """
        return await start.start(self._context, self._context.registry.find(ref))

    async def stop(self, ref: str, timeout: int | None = None, signal: str | None = None) -> bool:
        """Ask it to end, then kill it after `timeout` seconds (-1: never); False if not running.

        None takes the container's own timeout or 10 s, and its own stop signal or SIGTERM.
        """
        return await stop.stop(self._context, self._context.registry.find(ref), timeout, signal)

    async def restart(
        self, ref: str, timeout: int | None = None, signal: str | None = None
    ) -> None:
        await restart.restart(self._context, self._context.registry.find(ref), timeout, signal)

    async def kill(self, ref: str, signal: str = "SIGKILL") -> None:
        """Send a signal by name or number; `NotRunning` when there is nothing to send it to."""
        await kill.kill(self._context, self._context.registry.find(ref), signal)

    async def pause(self, ref: str) -> None:
        await pause.pause(self._context, self._context.registry.find(ref))

    async def unpause(self, ref: str) -> None:
        await pause.unpause(self._context, self._context.registry.find(ref))

    async def rename(self, ref: str, name: str) -> None:
        await rename.rename(self._context, self._context.registry.find(ref), name)

    async def remove(self, ref: str, *, force: bool = False, volumes: bool = False) -> None:
        """Delete it with its writable layer and log; `force` kills a running one first."""
        await remove.remove(self._context, self._context.registry.find(ref), force=force)

    def wait(self, ref: str, condition: Condition = "not-running") -> Awaitable[WaitResult]:
        """Registers at once; await what it returns for the exit code."""
        return wait.wait(self._context.registry.find(ref), condition)

    def logs(self, ref: str, options: LogOptions) -> AsyncIterator[LogEntry]:
        """Lines of the log, oldest first; with `follow`, until the container has ended."""
        return logs.logs(self._context, self._context.registry.find(ref), options)

    async def top(self, ref: str, ps_args: str = "") -> Top:
        return await top.top(self._context, self._context.registry.find(ref), ps_args)

    async def resize(self, ref: str, height: int, width: int) -> None:
        await resize.resize(self._context, self._context.registry.find(ref), height, width)

    async def attach(self, ref: str, options: AttachOptions) -> Stream:
        """The container's streams; before it starts, one that waits for it and misses nothing."""
        return await attach.attach(self._context, self._context.registry.find(ref), options)

    def exec_create(self, ref: str, config: ExecConfig) -> str:
        return exec.create(self._context, self._context.registry.find(ref), config)

    async def exec_start(
        self, exec_id: str, *, detach: bool = False, tty_size: tuple[int, int] | None = None
    ) -> Stream | None:
        """Run it; None when detached. At the stream's end the exit code is known."""
        return await exec.start(self._context, exec_id, detach=detach, tty_size=tty_size)

    def exec_inspect(self, exec_id: str) -> Exec:
        return self._context.execs.find(exec_id).record

    async def exec_resize(self, exec_id: str, height: int, width: int) -> None:
        await exec.resize(self._context, exec_id, height, width)

    async def update(
        self, ref: str, resources: Resources, restart_policy: RestartPolicy | None = None
    ) -> builtins.list[str]:
        """Change limits of a container, running or not; what is 0 or None stays. Warnings."""
        live = self._context.registry.find(ref)
        return await update.update(self._context, live, resources, restart_policy)

    async def prune(self, filters: Filters) -> Pruned:
        """Remove every stopped container the filters allow."""
        return await prune.prune(self._context, filters)

    async def size(self, ref: str) -> Size:
        """Walks the writable layer, off the loop."""
        return await stats.size(self._context, self._context.registry.find(ref))

    def statistics(self, ref: str) -> Stats | None:
        """One reading of its cgroup; None when it is not running."""
        return stats.statistics(self._context.registry.find(ref))

    async def restore(self) -> None:
        """Take up what an earlier engine left: running containers, exits, restart policies."""
        await restore.restore(self._context)

    async def close(self) -> None:
        """Let go of every container; they keep running."""
        await self._context.close()
