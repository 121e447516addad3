"""What an image is to the rest of the engine. Plain data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from engine.oci.descriptor import Descriptor
from engine.oci.digest import Digest
from engine.oci.image import ImageConfig
from engine.snapshots.snapshotter import Usage

__all__ = ["HistoryEntry", "Image", "InUse", "Removed", "Usage"]

InUse = Callable[[Digest], list[str]]
"""Ids of the containers, running or not, that were made from the image with this id."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image of the store.

    `id` is the digest of its config, as in Docker. `references` are familiar (`alpine:latest`);
    `repo_digests` are `name@manifest-digest`. Both are empty for a dangling image. `size` is the
    unpacked bytes of all its layers. `created` is RFC 3339, or empty.
    """

    id: Digest
    manifest: Digest
    references: tuple[str, ...]
    repo_digests: tuple[str, ...]
    size: int
    config: ImageConfig
    layers: tuple[Descriptor, ...] = ()
    comment: str = ""

    @property
    def created(self) -> str:
        return self.config.created

    @property
    def chain_id(self) -> Digest | None:
        """What a container's root is stacked on; None for an image without layers."""
        return self.config.chain_id

    @property
    def name(self) -> str:
        """The first reference, or the short id when there is none: for messages and events."""
        return self.references[0] if self.references else self.id.short


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One line of `docker history`, newest first. `id` is `<missing>` below the top."""

    id: str
    created: str
    created_by: str
    tags: tuple[str, ...]
    size: int
    comment: str


@dataclass(frozen=True, slots=True)
class Removed:
    """One line of what a removal did: a reference untagged, or an image or layer deleted."""

    kind: Literal["untagged", "deleted"]
    name: str
