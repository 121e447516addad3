"""A root file system tar as a one-layer image. Blocking: runs in a thread."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from engine.content import Store
from engine.errors import InvalidArgument
from engine.images import changes as instructions
from engine.images.candidate import Candidate, encode, store_manifest
from engine.images.oci_archive import architecture
from engine.oci import media_types
from engine.oci.descriptor import Descriptor
from engine.oci.digest import Digest
from engine.oci.image import History, ImageConfig, ProcessDefaults
from engine.oci.reference import Reference
from engine.snapshots.archive.compression import Decompressed
from engine.snapshots.archive.reader import TarReader
from engine.snapshots.snapshotter import ByteReader


def store_layer(stream: ByteReader, store: Store) -> Descriptor:
    """Write the tar, uncompressed, as a blob; so its digest is its diff id.

    Raises InvalidArgument for nothing at all and UnsafeArchive for what is no tar or is cut short.
    """
    with store.writer() as writer:
        tee = _Tee(Decompressed(stream), writer.write)
        tar = TarReader(tee)
        entries = sum(1 for _ in tar)
        tar.drain()
        if not entries and not tar.ended:
            raise InvalidArgument("the archive is empty: nothing to import")
        if not tar.ended:
            raise InvalidArgument("the archive has no end mark: it is cut short")
        return Descriptor(media_types.LAYER, writer.commit(), writer.size)


class _Tee:
    """Whatever is read is written too."""

    def __init__(self, stream: ByteReader, write: Callable[[bytes], None]) -> None:
        self._stream = stream
        self._write = write

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._write(data)
        return data

    def close(self) -> None:
        self._stream.close()


def import_tar(
    stream: ByteReader,
    store: Store,
    reference: Reference | None,
    *,
    changes: Sequence[str],
    message: str,
) -> Candidate:
    """Raises InvalidArgument for a wrong change, before anything is read."""
    defaults = instructions.apply(ProcessDefaults(), changes)
    layer = store_layer(stream, store)
    return make(store, layer, defaults, reference, comment=message or "Imported from -")


def make(
    store: Store,
    layer: Descriptor,
    defaults: ProcessDefaults,
    reference: Reference | None,
    *,
    comment: str,
    created_by: str = "",
    created: str = "",
) -> Candidate:
    """The config and the manifest around one layer that is stored as a plain tar."""
    created = created or datetime.now(UTC).isoformat().replace("+00:00", "Z")
    config = ImageConfig(
        architecture=architecture(),
        os="linux",
        diff_ids=(layer.digest,),
        config=defaults,
        created=created,
        history=(History(created=created, created_by=created_by, comment=comment),),
    )
    data = encode(config.to_json())
    image_id: Digest = store.add(data)
    descriptor = Descriptor(media_types.CONFIG, image_id, len(data))
    return Candidate(
        id=image_id,
        manifest=store_manifest(store, descriptor, (layer,)),
        config=config,
        layers=(layer,),
        references=() if reference is None else (reference,),
        comment=comment,
    )
