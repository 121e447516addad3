"""The image service: what the API and the containers ask of images."""

import asyncio
import builtins
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from engine.content import Store
from engine.errors import EngineError, InvalidArgument, NotFound
from engine.events import Event, Exchange
from engine.images import history as histories
from engine.images import host, load, rootfs
from engine.images.candidate import Candidate
from engine.images.catalogue import Catalogue, Record, read, to_image
from engine.images.collect import collect
from engine.images.feed import consume
from engine.images.gate import Gate
from engine.images.index import IndexWriter
from engine.images.model import HistoryEntry, Image, InUse, Removed, Usage
from engine.images.remove import Remover, Running
from engine.images.resolve import resolve
from engine.images.unpack import unpack
from engine.metadata import Database
from engine.oci.digest import Digest
from engine.oci.reference import Reference
from engine.runtime.mount import Mount
from engine.snapshots.snapshotter import Snapshotter
from engine.snapshots.whole import whole

_log = logging.getLogger(__name__)


class Images:
    """Images by name and id, and the writable root file systems made of them.

    Args:
        in_use: the containers made of an image, running or not.
        running: whether such a container runs; an image of a running one is never deleted.

    Attributes:
        warnings: damaged images that were set aside at start, in words for a person.
    """

    def __init__(
        self,
        store: Store,
        snapshots: Snapshotter,
        metadata: Database,
        events: Exchange,
        in_use: InUse,
        running: Running = lambda _container: False,
    ) -> None:
        self._store = store
        self._snapshots = snapshots
        self._events = events
        self._in_use = in_use
        self._catalogue = Catalogue(store, metadata)
        self._remover = Remover(self._catalogue, events, in_use, running)
        self._gate = Gate(lambda: collect(self._catalogue, store, snapshots))
        self._index = IndexWriter(store, self._catalogue)
        self.warnings: tuple[str, ...] = tuple(self._catalogue.warnings)
        for warning in self.warnings:
            _log.warning("%s", warning)

    async def restore(self) -> None:
        """Clean up after an interrupted engine; to be awaited once, before anything else."""
        await asyncio.to_thread(self._store.clean)
        await self._snapshots.clean()
        await self._gate.collect()
        await self._index.write()

    async def close(self) -> None:
        """Finish what is being written."""
        await self._index.close()

    def resolve(self, name: str) -> Image:
        """By name, name:tag, name@digest, id or the beginning of an id, as Docker does.

        Raises NotFound ("No such image: x:latest") or InvalidArgument.
        """
        return self._image(self._record(name))

    def list(self) -> list[Image]:
        """Every image, newest first."""
        images = [self._image(record) for record in self._catalogue.records()]
        return sorted(images, key=lambda image: image.created, reverse=True)

    def history(self, name: str) -> builtins.list[HistoryEntry]:
        """Newest step first. Raises NotFound."""
        record = self._record(name)
        tags = self._image(record).references
        return histories.history(record, tags, self._snapshots)

    async def load(self, chunks: AsyncIterator[bytes]) -> builtins.list[str]:
        """Load an image archive; one line an image, in Docker's words.

        All its images come in, or none. Raises InvalidArgument, UnsafeArchive, DigestMismatch.
        """
        async with self._adding():
            candidates = await consume(chunks, lambda feed: load.read_archive(feed, self._store))
            return await self._add_all(candidates, "load")

    async def import_layout(self, path: Path) -> builtins.list[str]:
        """Load an OCI image layout directory of this host; see `load`."""
        async with self._adding():
            candidates = await whole(asyncio.to_thread(load.read_layout, path, self._store))
            return await self._add_all(candidates, "load")

    async def import_rootfs(
        self,
        chunks: AsyncIterator[bytes],
        reference: str | None,
        *,
        changes: Sequence[str] = (),
        message: str = "",
    ) -> Image:
        """Make an image of a root file system tar, in any compression.

        Raises InvalidArgument for a wrong reference or change, UnsafeArchive for a bad archive.
        """
        target = None if reference is None else _tag_reference(reference)
        async with self._adding():
            candidate = await consume(
                chunks,
                lambda feed: rootfs.import_tar(
                    feed, self._store, target, changes=changes, message=message
                ),
            )
            await self._add_all([candidate], "import")
        return self.resolve(candidate.id)

    async def from_host(
        self, programs: Sequence[str], reference: str, progress: Callable[[str], None]
    ) -> Image:
        """Make an image of programs of this host and what they need.

        Args:
            progress: told what is happening, a line at a time, in the loop.

        Raises InvalidArgument naming a program that cannot be used, before anything is written.
        """
        target = _tag_reference(reference)
        loop = asyncio.get_running_loop()

        def say(line: str) -> None:
            loop.call_soon_threadsafe(progress, line)

        async with self._adding():
            making = asyncio.to_thread(host.make_image, programs, target, self._store, say)
            candidate = await whole(making)
            await self._add_all([candidate], "import")
        return self.resolve(candidate.id)

    def tag(self, name: str, target: str) -> None:
        """Give an image another name, taking it from the image that had it.

        Raises NotFound, or InvalidArgument for a name that is none.
        """
        record = self._record(name)
        self._tag(_tag_reference(target), record.id, "tag")
        self._index.request()

    async def remove(
        self, name: str, *, force: bool = False, prune: bool = True
    ) -> builtins.list[Removed]:
        """Untag, and delete with the last name; see `engine.images.remove`.

        `prune` is about untagged parents, which only a builder makes: there are none.
        """
        async with self._adding():
            if force:
                await self._hold(self._record(name))
            removed = self._remover.remove(name, force=force)
            if any(item.kind == "deleted" for item in removed):
                self._gate.request()
        return removed

    async def prepare(self, container_id: str, image_id: str) -> tuple[Mount, ...]:
        """The mounts of a container's root file system, which is made when it is not there yet.

        One that is there needs its layers only; the image may have been deleted since. Raises
        NotFound when there is neither.
        """
        async with self._gate.adding():
            record = self._catalogue.get(Digest.parse(image_id))
            if record is not None:
                await self._unpack(record, check=False)
            if self._snapshots.has(container_id):
                return self._snapshots.mounts(container_id)
            if record is None:
                raise NotFound(f"No such image: {image_id}")
            return await self._snapshots.prepare(container_id, record.config.chain_id)

    def shown(
        self, container_id: str, *, lasting: bool = True
    ) -> AbstractAsyncContextManager[tuple[Mount, ...]]:
        """The mounts of a root that was prepared, for the time of a start."""
        return self._snapshots.shown(container_id, lasting=lasting)

    async def release(self, container_id: str) -> None:
        """Delete a container's writable files, and with them layers that nobody else needs."""
        await self._snapshots.remove(container_id)
        needed = self._catalogue.chain_ids()
        if any(chain not in needed for chain in self._snapshots.layers()):
            await self._gate.collect()

    def usage(self, container_id: str) -> Usage:
        """What a container wrote: (bytes, inodes). Walks the disk: call it in a thread."""
        if not self._snapshots.has(container_id):
            return Usage(0, 0)
        return self._snapshots.usage(container_id)

    async def _hold(self, record: Record) -> None:
        """Containers that were never started get their root file systems now, to start later."""
        held: set[str] = set()
        while waiting := set(self._in_use(record.id)) - held:
            for container in waiting:
                held.add(container)
                try:
                    await self.prepare(container, record.id)
                except EngineError as error:
                    _log.warning("container %s cannot keep its image: %s", container, error)

    @asynccontextmanager
    async def _adding(self) -> AsyncIterator[None]:
        """Blobs and layers of a failed operation are collected, those of a good one are kept."""
        try:
            async with self._gate.adding():
                try:
                    yield
                except BaseException:
                    self._gate.request()
                    raise
        finally:
            await self._index.write()

    async def _add_all(self, candidates: Sequence[Candidate], action: str) -> builtins.list[str]:
        for candidate in candidates:
            await self._unpack(candidate, check=True)
        records = await asyncio.to_thread(self._read, candidates)
        lines: builtins.list[str] = []
        for candidate, record in zip(candidates, records, strict=True):
            if candidate.id in self._catalogue:
                self._gate.request()  # the blobs it came with, if others, are not needed
            else:
                self._catalogue.add(record)
            self._publish(action, candidate.id, _name(candidate))
            for reference in candidate.references:
                lines += self._tag(reference, candidate.id, "tag" if action == "import" else "")
                lines.append(f"Loaded image: {reference.familiar}")
            if not candidate.references:
                lines.append(f"Loaded image ID: {candidate.id}")
        return lines

    def _read(self, candidates: Sequence[Candidate]) -> builtins.list[Record]:
        return [read(self._store, item.id, item.manifest, item.comment) for item in candidates]

    async def _unpack(self, image: Candidate | Record, *, check: bool) -> None:
        layers = image.layers
        await unpack(self._snapshots, self._store, image.config, layers, check=check)

    def _tag(self, reference: Reference, image_id: Digest, action: str) -> builtins.list[str]:
        previous = self._catalogue.tag(reference, image_id)
        if action:
            self._publish(action, image_id, reference.familiar)
        if previous is None:
            return []
        return [
            f"The image {reference.familiar} already exists, renaming the old one with ID"
            f" {previous} to empty string"
        ]

    def _publish(self, action: str, image_id: Digest, name: str) -> None:
        record = self._catalogue.get(image_id)
        labels = {} if record is None else record.config.config.labels
        self._events.publish(Event("image", action, image_id, {**labels, "name": name}))

    def _record(self, name: str) -> Record:
        image_id = resolve(self._catalogue, name)
        record = self._catalogue.get(image_id)
        if record is None:
            raise NotFound(f"No such image: {name}")
        return record

    def _image(self, record: Record) -> Image:
        layers = (self._snapshots.layer(chain) for chain in record.config.chain_ids)
        size = sum(layer.size for layer in layers if layer is not None)
        return to_image(record, self._catalogue.references(record.id), size)


def _name(candidate: Candidate) -> str:
    return candidate.references[0].familiar if candidate.references else candidate.id


def _tag_reference(text: str) -> Reference:
    """A name that can be given. Raises InvalidArgument in Docker's words."""
    reference = Reference.parse(text)
    if reference.digest is not None:
        raise InvalidArgument("refusing to create a tag with a digest reference")
    if reference.path.rpartition("/")[2] == "sha256":
        raise InvalidArgument("refusing to create an ambiguous tag using digest algorithm as name")
    return reference
