"""Removal of what no image and no container needs any more. Runs behind the gate, alone."""

import asyncio

from engine.content import Store
from engine.errors import Conflict
from engine.images.catalogue import Catalogue
from engine.oci.digest import Digest
from engine.snapshots.snapshotter import Snapshotter


async def collect(catalogue: Catalogue, store: Store, snapshots: Snapshotter) -> None:
    """Unneeded blobs and layers go; a layer that a container stands on stays until it is gone."""
    used = catalogue.blobs()
    await asyncio.to_thread(_delete_blobs, store, used)
    needed = catalogue.chain_ids()
    waiting = [chain for chain in snapshots.layers() if chain not in needed]
    while waiting:
        kept = []
        for chain in waiting:
            try:
                await snapshots.remove_layer(chain)
            except Conflict:
                kept.append(chain)  # another layer or a container stands on it
        if len(kept) == len(waiting):
            return
        waiting = kept


def _delete_blobs(store: Store, used: set[Digest]) -> None:
    for digest in store.digests():
        if digest not in used:
            store.delete(digest)
