"""Read an image archive or layout into the store. Blocking: runs in a thread."""

from pathlib import Path

from engine.content import Store
from engine.errors import InvalidArgument
from engine.images import docker_archive, oci_archive
from engine.images.candidate import Candidate
from engine.images.sources import LayoutDirectory, Source, Spool
from engine.snapshots.archive.compression import Decompressed
from engine.snapshots.snapshotter import ByteReader


def read_archive(stream: ByteReader, store: Store) -> list[Candidate]:
    """Any image archive in any compression.

    Raises InvalidArgument, UnsafeArchive or DigestMismatch; blobs that were stored until then are
    left to the collector.
    """
    spool = Spool(store, Decompressed(stream))
    try:
        return _read(spool, store)
    finally:
        spool.close()


def read_layout(root: Path, store: Store) -> list[Candidate]:
    """An OCI image layout directory; the same errors."""
    if not root.is_dir():
        raise InvalidArgument(f"{root} is not a directory: give an OCI image layout")
    return _read(LayoutDirectory(store, root), store)


def _read(source: Source, store: Store) -> list[Candidate]:
    if source.has(docker_archive.MANIFEST):
        return docker_archive.read(source, store)
    if source.has(oci_archive.INDEX):
        return oci_archive.read(source, store)
    raise InvalidArgument(
        "not an image archive: it has neither manifest.json nor index.json;"
        " a root file system is imported with `docker import`"
    )
