"""One layer tar into one directory, checked against its digest. Blocking: runs in a thread."""

import os
from collections.abc import Callable
from pathlib import Path

from engine.errors import DigestMismatch
from engine.oci.digest import Digest
from engine.snapshots import tree
from engine.snapshots.archive import whiteouts
from engine.snapshots.archive.extract import Extractor
from engine.snapshots.archive.readahead import Readahead
from engine.snapshots.archive.reader import TarReader
from engine.snapshots.snapshotter import ByteReader

OpenLayer = Callable[[], ByteReader]


def unpack(target: Path, diff_id: Digest, open_layer: OpenLayer, *, marks: bool) -> Extractor:
    """Fill `target`; see `Extractor` for `marks` and for what is told of the result.

    Raises DigestMismatch when the tar as read is not `diff_id`, UnsafeArchive.
    """
    root = os.open(target, tree.DIRECTORY)
    try:
        with Readahead(open_layer()) as stream:
            reader = TarReader(stream)
            extractor = Extractor(root, marks=marks)
            extractor.run(reader)
            reader.drain()
            if stream.digest != diff_id:
                raise DigestMismatch(f"layer is {stream.digest}, its image says {diff_id}")
            return extractor
    finally:
        os.close(root)


def hide(target: Path, open_layer: OpenLayer) -> None:
    """Delete from `target`, a copy of the layers below, what the layer's whiteouts name."""
    root = os.open(target, tree.DIRECTORY)
    try:
        with Readahead(open_layer()) as stream:
            whiteouts.apply(TarReader(stream), root)
    finally:
        os.close(root)
