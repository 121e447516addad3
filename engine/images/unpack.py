"""From an image's blobs to unpacked layers."""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from engine.content import Store
from engine.errors import DigestMismatch
from engine.oci.descriptor import Descriptor
from engine.oci.digest import Digest
from engine.oci.image import ImageConfig
from engine.snapshots.archive.compression import Decompressed
from engine.snapshots.archive.readahead import Readahead
from engine.snapshots.snapshotter import ByteReader, Snapshotter


async def unpack(
    snapshots: Snapshotter,
    store: Store,
    config: ImageConfig,
    layers: Sequence[Descriptor],
    *,
    check: bool,
) -> None:
    """Unpack what is not unpacked yet, lowest first; each such layer is checked by its diff id.

    With `check`, layers that are unpacked already are checked too: their blobs are new.

    Raises DigestMismatch, UnsafeArchive or Unavailable; complete layers below stay.
    """
    parent: Digest | None = None
    for chain_id, diff_id, layer in zip(config.chain_ids, config.diff_ids, layers, strict=True):
        blob = layer.digest

        def open_layer(blob: Digest = blob) -> ByteReader:
            return Decompressed(cast(ByteReader, store.open(blob)))

        if snapshots.layer(chain_id) is None:
            await snapshots.unpack(chain_id, parent, diff_id, open_layer)
        elif check and blob != diff_id:
            await asyncio.to_thread(_check, open_layer, diff_id)
        parent = chain_id


def _check(open_layer: Callable[[], ByteReader], diff_id: Digest) -> None:
    """A layer that was unpacked from another blob: this one has to hold the same tar."""
    with Readahead(open_layer()) as stream:
        while stream.read():
            pass
        if stream.digest != diff_id:
            raise DigestMismatch(f"layer is {stream.digest}, its image says {diff_id}")
