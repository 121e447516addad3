"""From an image's blobs to unpacked layers."""

from collections.abc import Sequence
from typing import cast

from engine.content import Store
from engine.oci.descriptor import Descriptor
from engine.oci.digest import Digest
from engine.oci.image import ImageConfig
from engine.snapshots.archive.compression import Decompressed
from engine.snapshots.snapshotter import ByteReader, Snapshotter


async def unpack(
    snapshots: Snapshotter, store: Store, config: ImageConfig, layers: Sequence[Descriptor]
) -> None:
    """Unpack what is not unpacked yet, lowest first; every layer is checked against its diff id.

    Raises DigestMismatch, UnsafeArchive or Unavailable; complete layers below stay.
    """
    parent: Digest | None = None
    for chain_id, diff_id, layer in zip(config.chain_ids, config.diff_ids, layers, strict=True):
        blob = layer.digest

        def open_layer(blob: Digest = blob) -> ByteReader:
            return Decompressed(cast(ByteReader, store.open(blob)))

        if snapshots.layer(chain_id) is None:
            await snapshots.unpack(chain_id, parent, diff_id, open_layer)
        parent = chain_id
