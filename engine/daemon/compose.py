"""The composition root: makes every room, in the order they stand on each other."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from engine.containers.model import Status
from engine.containers.service import Containers
from engine.content import Store
from engine.daemon import doctor
from engine.daemon.checks import cgroups, kernel
from engine.daemon.options import Options
from engine.daemon.rootless import storage
from engine.dockerapi.rooms import Facts, Rooms
from engine.errors import NotFound
from engine.events import Exchange
from engine.images.service import Images
from engine.metadata import Database
from engine.metrics import Sampler
from engine.oci.digest import Digest
from engine.runtime import userns
from engine.runtime.cgroups import Layout, detect, placement
from engine.runtime.launcher import Launcher
from engine.runtime.mount import Mount
from engine.snapshots.copy import Copy
from engine.snapshots.overlay import Overlay
from engine.snapshots.snapshotter import Snapshotter

_log = logging.getLogger(__name__)

CLOSE_SECONDS = 2.0
ALIVE = frozenset((Status.RUNNING, Status.PAUSED, Status.RESTARTING))


@asynccontextmanager
async def compose(options: Options, warnings: Sequence[str] = ()) -> AsyncIterator[Rooms]:
    """Every room, open and with its containers taken up; closed in the opposite order.

    `warnings` were found before there were rooms; clients are told.
    """
    async with AsyncExitStack() as stack:
        yield await _Composition(options, stack, warnings).open()


class _Composition:
    """Makes rooms; images and containers know of each other only through what is passed here."""

    def __init__(self, options: Options, stack: AsyncExitStack, warnings: Sequence[str]) -> None:
        self._options = options
        self._stack = stack
        self._warnings = warnings
        self._containers: Containers | None = None

    async def open(self) -> Rooms:
        layout = detect()
        if self._options.cgroup_driver == placement.CGROUPFS:
            self._stack.callback(_leave_cgroups, layout, self._options.cgroup_parent)
        database = Database(self._options.data_dir / "engine.db")
        self._stack.callback(database.close)
        events = Exchange()
        self._stack.callback(events.close)
        snapshots, lack = _snapshotter(self._options.data_dir / "snapshots")
        if lack:
            self._warnings = (*self._warnings, f"storage: {lack}")
        images = await self._open_images(database, events, snapshots)
        sampler = await self._open_sampler(layout)
        containers = await self._open_containers(database, events, images, sampler)
        found = (*_missing(self._warnings), *images.warnings)
        facts = Facts(
            id=_identity(self._options.data_dir),
            data_dir=self._options.data_dir,
            cgroup_mode=layout.mode,
            controllers=cgroups.usable(layout),
            swap_limit=cgroups.limits_swap(layout),
            snapshotter="overlay2" if snapshots.name == "overlay" else snapshots.name,
            started_at=time.time_ns(),
            warnings=lambda: (*found, *containers.warnings),
            rootless=userns.rootless(),
            cgroup_driver=self._options.cgroup_driver,
        )
        return Rooms(
            containers=containers,
            images=images,
            events=events,
            sampler=sampler,
            facts=facts,
            root_of=_root_of(snapshots),
            layers_size=_layers_size(snapshots),
        )

    async def _open_images(
        self, database: Database, events: Exchange, snapshots: Snapshotter
    ) -> Images:
        store = Store(self._options.data_dir / "images")
        images = Images(store, snapshots, database, events, self._users_of, self._is_alive)
        await images.restore()
        self._stack.push_async_callback(images.close)
        return images

    async def _open_sampler(self, layout: Layout) -> Sampler:
        sampler = Sampler(directory=str(self._options.data_dir), layout=layout)
        task = asyncio.create_task(sampler.run(), name="sampler")
        task.add_done_callback(_complain)
        self._stack.push_async_callback(_end, task)
        return sampler

    async def _open_containers(
        self, database: Database, events: Exchange, images: Images, sampler: Sampler
    ) -> Containers:
        options = self._options
        launcher = Launcher(
            options.run_dir,
            cgroup_parent=options.cgroup_parent,
            cgroup_driver=options.cgroup_driver,
        )
        await launcher.start()
        self._stack.push_async_callback(launcher.close)
        self._containers = Containers(
            data_dir=options.data_dir,
            run_dir=options.run_dir,
            launcher=launcher,
            images=images,
            database=database,
            events=events,
            sampler=sampler,
            cgroup_parent=options.cgroup_parent,
            cgroup_driver=options.cgroup_driver,
        )
        self._stack.push_async_callback(self._containers.close)
        await self._containers.restore()
        return self._containers

    def _users_of(self, image_id: Digest) -> list[str]:
        return [] if self._containers is None else self._containers.in_use(image_id)

    def _is_alive(self, container_id: str) -> bool:
        try:
            return (
                self._containers is not None
                and self._containers.get(container_id).state.status in ALIVE
            )
        except NotFound:
            return False


def _missing(found: Sequence[str]) -> tuple[str, ...]:
    """What this machine lacks; every other room says in the log itself what it found."""
    missing = (*found, *doctor.warnings())
    for warning in missing:
        _log.warning("%s", warning)
    return missing


def _snapshotter(root: Path) -> tuple[Snapshotter, str]:
    """Overlayfs where the kernel has it; otherwise whole copies, which the doctor warns of.

    Without root the kernel may have it and refuse it: there it is tried, and what is told with it
    says what came of that.
    """
    if not userns.rootless():
        return (Overlay if kernel.has_overlay() else Copy)(root), ""
    kind, lack = storage.choose(root / "tmp", root)
    return kind(root), lack


def _identity(data_dir: Path) -> str:
    """The same for as long as the data is the same, on whatever machine."""
    path = data_dir / "engine.id"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        identity = str(uuid.uuid4())
        path.write_text(f"{identity}\n")
        return identity


def _root_of(snapshots: Snapshotter) -> Callable[[str], Sequence[Mount]]:
    def root_of(container_id: str) -> Sequence[Mount]:
        try:
            return snapshots.mounts(container_id)
        except NotFound:
            return ()

    return root_of


def _layers_size(snapshots: Snapshotter) -> Callable[[], int]:
    def layers_size() -> int:
        layers = (snapshots.layer(chain_id) for chain_id in snapshots.layers())
        return sum(layer.size for layer in layers if layer is not None)

    return layers_size


def _leave_cgroups(layout: Layout, parent: str) -> None:
    """Remove the parent of all containers' cgroups, where there are none any more."""
    for hierarchy in layout.hierarchies:
        with suppress(OSError):  # containers run on in it, or it was never made
            Path(hierarchy.base, parent).rmdir()


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task}, timeout=CLOSE_SECONDS)


def _complain(task: "asyncio.Task[None]") -> None:
    """A sampler that fails takes the graphs with it, and nothing else."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("metrics have stopped", exc_info=error)
