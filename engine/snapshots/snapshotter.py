"""The Snapshotter protocol: shared read-only layers and one writable layer a container.

Glossary. A *layer* is one tar of an image, unpacked; it is named by its chain id, which stands for
it and everything below it, and is never written again. A *key* names a writable snapshot (the
container's id) stacked on a layer. Life cycle:

    unpack(chain)… → prepare(key, chain) → mounts(key) → remove(key) → remove_layer(chain)

A snapshotter hands out mounts and never mounts: whoever starts the container does, in its own
mount namespace. Blocking work runs in threads. What was interrupted leaves only temporary
directories, which `clean()` removes at start.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from engine.oci.digest import Digest
from engine.runtime.mount import Mount


class ByteReader(Protocol):
    """The little of a file that a tar needs."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; empty at the end."""

    def close(self) -> None: ...


class Usage(NamedTuple):
    """Disk use: bytes and inodes; a file with several links counts once."""

    bytes: int
    inodes: int


@dataclass(frozen=True, slots=True)
class Layer:
    """An unpacked layer. `size` is the bytes of its regular files, as Docker counts it.

    `opaque`: it hides everything below it.
    """

    chain_id: Digest
    parent: Digest | None
    size: int
    entries: int
    opaque: bool = False


class Snapshotter(Protocol):
    """See the module for the words. Every method is safe against concurrent use."""

    name: str

    async def unpack(
        self,
        chain_id: Digest,
        parent: Digest | None,
        diff_id: Digest,
        open_layer: Callable[[], ByteReader],
    ) -> Layer:
        """Unpack an uncompressed tar on `parent`, or return at once if it already is.

        Raises DigestMismatch if the tar is not `diff_id`, UnsafeArchive if it reaches outside or
        is not a tar, NotFound if `parent` is not unpacked. A failure leaves nothing.
        """

    def layer(self, chain_id: Digest) -> Layer | None:
        """What is known of an unpacked layer; None when it is not there."""

    async def prepare(self, key: str, parent: Digest | None) -> tuple[Mount, ...]:
        """Make the writable snapshot `key`; AlreadyInUse if it exists, NotFound without parent."""

    def mounts(self, key: str) -> tuple[Mount, ...]:
        """The mounts that show snapshot `key`; NotFound when it does not exist."""

    def shown(
        self, key: str, *, lasting: bool = True
    ) -> AbstractAsyncContextManager[tuple[Mount, ...]]:
        """The same for a start: what they need is there until the container has made them.

        What is written in one that is not `lasting` may be lost when the machine goes down.
        """

    async def remove(self, key: str) -> None:
        """Delete a writable snapshot; one that is gone already is no error."""

    async def remove_layer(self, chain_id: Digest) -> None:
        """Delete a layer; Conflict while a layer or a snapshot stands on it."""

    def usage(self, key: str) -> Usage:
        """Disk use of the writable snapshot alone. Walks the disk: call it in a thread."""

    def has(self, key: str) -> bool:
        """Whether the writable snapshot exists."""

    def keys(self) -> list[str]:
        """The writable snapshots that exist."""

    def layers(self) -> Iterable[Digest]:
        """The chain ids of the unpacked layers."""

    async def clean(self) -> None:
        """Remove what an interrupted operation left. Call before anything else."""
