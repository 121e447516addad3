"""From a bundle's configuration to a monitor with a container that is ready to start.

With `handle`, `connection` and `forkserver` beside it, the only asyncio code that knows zygote and
monitor. Every wait for them has a bound. A create that fails, whatever the step, leaves nothing.
"""

import asyncio
import json
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import AlreadyInUse, Conflict, EngineError, RuntimeFailure, Unavailable
from engine.runtime import bundle, late, plan, state, wire
from engine.runtime.cgroups import placement
from engine.runtime.cleanup import discard, monitor_log
from engine.runtime.connection import Message, Streams, connect, result
from engine.runtime.forkserver import ForkServer
from engine.runtime.handle import (
    START,
    AttachedStream,
    ExecSession,
    ExitRecord,
    Monitor,
    read_exit_record,
)
from engine.runtime.mount import Mount

CREATE_BOUND = 60.0
"""Seconds for a container's mounts; a network file system may need some."""

ADOPT_BOUND = 2.0
_LOOK = 0.05
GIVE_UP_BOUND = 10.0

__all__ = [
    "AttachedStream",
    "CreateOptions",
    "ExecSession",
    "ExitRecord",
    "Launcher",
    "Monitor",
    "read_exit_record",
]


@dataclass(frozen=True, slots=True)
class CreateOptions:
    """What a container needs at run time; the cgroup's path is `<cgroup_parent>/<id>`, or what
    `cgroups.placement` makes of these for systemd.

    `config` is an OCI runtime configuration; `rootfs_mounts` are mounted at its `root.path`, in the
    container. Log and exit record are files outside of the bundle, and outlive it. With `start` the
    program is executed as soon as everything is ready; `Monitor.start` then tells how that went,
    and a create that is cancelled may have run it.
    """

    bundle: Path
    config: dict[str, Any]
    rootfs_mounts: tuple[Mount, ...]
    log_path: Path
    exit_path: Path
    log_max_bytes: int | None
    log_max_files: int
    open_stdin: bool
    stdin_once: bool
    cgroup_parent: str
    start: bool = False


class Launcher:
    """Makes monitors, and finds them again after the engine was restarted.

    With the systemd driver `cgroup_parent` names a slice, and nothing has a cgroup ahead.
    """

    def __init__(
        self,
        run_dir: Path,
        *,
        cgroup_parent: str = "berth",
        cgroup_driver: str = placement.CGROUPFS,
    ) -> None:
        self._run_dir = run_dir
        self._cgroup_parent = cgroup_parent
        self._driver = cgroup_driver
        self._zygote: ForkServer | None = None
        self._monitors: set[Monitor] = set()
        self._creating = 0

    async def start(self) -> None:
        """Have a zygote ready, so that the first container does not wait for it."""
        self._run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        await self._server().ensure()

    async def close(self) -> None:
        """End the zygote and let go of every monitor; containers go on."""
        if self._zygote is not None:
            await self._zygote.close()
            self._zygote = None
        for monitor in list(self._monitors):
            await monitor.close()
        self._monitors.clear()

    @property
    def zygote_pid(self) -> int | None:
        return self._zygote.pid if self._zygote is not None else None

    def _server(self) -> ForkServer:
        if self._zygote is None:
            ahead = self._cgroup_parent if self._driver == placement.CGROUPFS else ""
            self._zygote = ForkServer(self._run_dir / "zygote.log", ahead)
        return self._zygote

    async def create(self, container_id: str, options: CreateOptions) -> Monitor:
        """Set a container up to the point before its exec.

        Raises:
            InvalidArgument: the configuration, naming the field.
            Conflict: the bundle belongs to a living monitor.
            RuntimeFailure: a step the kernel refused, in its words.
        """
        _refuse_living(options.bundle)
        self._creating += 1
        try:
            return await self._create(container_id, options)
        finally:
            self._creating -= 1

    async def _create(self, container_id: str, options: CreateOptions) -> Monitor:
        streams = await self._fork()  # first: it wakes while the configuration is compiled
        warnings: list[str] = []
        try:
            compiled = plan.compile(
                options.config,
                options.rootfs_mounts,
                warnings=warnings,
                container_id=container_id,
                bundle=str(options.bundle),
            )
            request = self._request(container_id, options)
        except BaseException:
            streams.abandon()  # the monitor ends
            raise
        try:
            streams, description = await self._launch(streams, request, compiled, options)
        except AlreadyInUse:  # by somebody else, who is to live on
            await asyncio.shield(_undo(container_id, options.bundle, ""))
            raise
        except BaseException:
            await asyncio.shield(_undo(container_id, options.bundle, request.cgroup))
            raise
        description["warnings"] = [*warnings, *description["warnings"]]
        config = late.part(options.config)
        return self._handle(options.bundle, streams, description, config, starting=options.start)

    def _handle(
        self,
        path: Path,
        streams: Streams,
        description: Message,
        config: late.Config,
        *,
        starting: bool = False,
    ) -> Monitor:
        forget = self._monitors.discard
        monitor = Monitor(
            path, streams, description, config=config, forget=forget, starting=starting
        )
        self._monitors.add(monitor)
        return monitor

    def _request(self, container_id: str, options: CreateOptions) -> wire.CreateRequest:
        parent = options.cgroup_parent or self._cgroup_parent
        linux = options.config.get("linux") or {}
        return wire.CreateRequest(
            id=container_id,
            bundle=str(options.bundle),
            log_path=str(options.log_path),
            exit_path=str(options.exit_path),
            log_max_bytes=options.log_max_bytes or 0,
            log_max_files=options.log_max_files,
            open_stdin=options.open_stdin,
            stdin_once=options.stdin_once,
            terminal=bool((options.config.get("process") or {}).get("terminal")),
            cgroup=placement.path(self._driver, parent, container_id),
            resources=linux.get("resources") or {},
            start=options.start,
        )

    async def _launch(
        self,
        streams: Streams,
        request: wire.CreateRequest,
        compiled: plan.InitPlan,
        options: CreateOptions,
    ) -> tuple[Streams, Message]:
        """A monitor, and what it says once init is ready; `streams` is taken over."""
        frames = wire.plan(compiled.to_wire()) + wire.control(
            {"id": 0, "verb": "create", "request": request.to_wire()}
        )
        if options.start:
            frames += wire.control(START)
        try:
            _prepare(options)
        except BaseException:
            streams.abandon()
            raise
        description = await self._ask(streams, frames, request, options)
        if description is None and state.read(request.bundle) is None:
            # There was no monitor; without one the zygote died, and another can be tried.
            streams = await self._fork()
            description = await self._ask(streams, frames, request, options)
        if description is None:
            last_words = monitor_log(request.bundle) or "it left no message"
            raise RuntimeFailure(f"the monitor died during create: {last_words}")
        return streams, description

    async def _ask(
        self,
        streams: Streams,
        frames: bytes,
        request: wire.CreateRequest,
        options: CreateOptions,
    ) -> Message | None:
        """A new monitor's answer; None when it, or the zygote, died without one."""
        try:
            async with asyncio.timeout(CREATE_BOUND):
                await streams.send(frames)
                _write_config(options)  # for whoever looks: the monitor works meanwhile
                _, payload = await streams.receive()
            return result(wire.parse_control(payload))
        except (ConnectionError, asyncio.IncompleteReadError, wire.WireError):
            streams.abandon()
            return None
        except TimeoutError as error:
            streams.abandon()
            text = f"container {request.id} was not ready within {CREATE_BOUND:.0f} s"
            raise RuntimeFailure(text) from error
        except (asyncio.CancelledError, OSError):
            await asyncio.shield(_give_up(streams))
            raise
        except BaseException:
            streams.abandon()
            raise

    async def _fork(self) -> Streams:
        """A connection to a monitor that waits for its request, and ends if none comes."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setblocking(False)
        try:
            try:
                await self._server().fork(theirs, alone=self._creating == 1)
            finally:
                theirs.close()
            return await Streams.over(ours)
        except BaseException:
            ours.close()
            raise

    async def adopt(self, container_id: str, bundle: Path) -> Monitor | None:
        """Take over a container that an engine before this one created.

        None when its monitor is gone; then what was left of it is removed, and only the exit record
        can tell how it ended: see `read_exit_record`.

        Raises:
            Unavailable: the monitor lives and does not answer within ADOPT_BOUND seconds. Nothing
                was touched: the container may be well, and asking again may work.
        """
        known = await asyncio.to_thread(state.read, str(bundle))
        if known is None:
            with suppress(OSError, EngineError):  # nobody there, or none that we could know
                async with asyncio.timeout(ADOPT_BOUND):
                    return await self._meet(bundle, container_id)
        elif known.id == container_id and known.monitor_alive():
            try:
                async with asyncio.timeout(ADOPT_BOUND):
                    return await self._meet(bundle, container_id)
            except (OSError, EngineError) as error:
                if known.monitor_alive() and not await _ends(known):
                    raise _silent(known) from error
        await self._discard(container_id, bundle, known)
        return None

    async def discard(self, container_id: str, bundle: Path) -> None:
        """End a container without asking its monitor, and remove what was left of it.

        Raises:
            RuntimeFailure: a process outlived SIGKILL.
            OSError: the cgroup or the bundle cannot be removed.
        """
        known = await asyncio.to_thread(state.read, str(bundle))
        await self._discard(container_id, bundle, known)

    async def _discard(self, container_id: str, bundle: Path, known: state.State | None) -> None:
        usual = placement.path(self._driver, self._cgroup_parent, container_id)
        await _undo(container_id, bundle, known.cgroup if known is not None else usual)

    async def _meet(self, path: Path, container_id: str) -> Monitor:
        """Who listens there must say of itself that it is the container's monitor."""
        while True:
            streams = await connect(str(path))
            try:
                description = await streams.call({"verb": "hello"})
            except BaseException:
                streams.abandon()
                raise
            if description["id"] == container_id and _serves(streams.peer_pid, description):
                break
            streams.abandon()
            await asyncio.sleep(_LOOK)  # a builder that has just ended, or somebody else
        config = await asyncio.to_thread(late.read, str(path))
        return self._handle(path, streams, description, config)


def _serves(peer_pid: int, description: Message) -> bool:
    """Whether it is the monitor, or its builder, which answers until the container is started."""
    return description["monitor_pid"] in (peer_pid, state.parent_of(peer_pid))


def _refuse_living(path: Path) -> None:
    known = state.read(str(path))
    if known is not None and known.monitor_alive():
        raise Conflict(f"bundle {path} is in use by monitor {known.monitor_pid}")


def _prepare(options: CreateOptions) -> None:
    """The directories; what an earlier run has left in them goes."""
    path = str(options.bundle)
    if not _make_directory(path, 0o700):
        for stale in (bundle.STATE, bundle.SOCKET, bundle.MONITOR_LOG):
            bundle.unlink(f"{path}/{stale}")
    for parent in {os.path.dirname(options.log_path), os.path.dirname(options.exit_path)}:
        _make_directory(parent, 0o710)
    bundle.unlink(str(options.exit_path))


def _make_directory(path: str, mode: int) -> bool:
    """Whether it was not there; parents are made as needed."""
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        return False
    except FileNotFoundError:
        os.makedirs(path, mode, exist_ok=True)
    return True


def _write_config(options: CreateOptions) -> None:
    config = json.dumps(options.config).encode()
    bundle.write_atomic(str(options.bundle / bundle.CONFIG), config, durable=False)


async def _give_up(streams: Streams) -> None:
    """Let the monitor finish what it is in the middle of, and have it take that back itself."""
    try:
        async with asyncio.timeout(GIVE_UP_BOUND):
            await streams.receive()
            await streams.send(wire.control({"id": 2, "verb": "kill", "signal": 9}))
            await streams.send(wire.control({"id": 3, "verb": "delete"}))
            while True:
                await streams.receive()
    except (OSError, EOFError, wire.WireError):
        pass  # it has closed, as it should, or it is stuck: what is left is discarded by force
    finally:
        streams.abandon()


async def _ends(known: state.State) -> bool:
    """Whether a monitor that has hung up is on its way out."""
    for _ in range(100):
        if not known.monitor_alive():
            return True
        await asyncio.sleep(ADOPT_BOUND / 100)
    return False


def _silent(known: state.State) -> Unavailable:
    return Unavailable(f"monitor {known.monitor_pid} of container {known.id} does not answer")


async def _undo(container_id: str, path: Path, cgroup: str) -> None:
    await asyncio.to_thread(discard, container_id, str(path), cgroup)
