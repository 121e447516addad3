"""An image that has been read and checked, and is not in the catalogue yet."""

import json
from dataclasses import dataclass

from engine.content import Store
from engine.errors import InvalidArgument
from engine.oci import media_types
from engine.oci.descriptor import Descriptor
from engine.oci.digest import Digest
from engine.oci.image import ImageConfig
from engine.oci.manifest import Manifest
from engine.oci.reference import Reference

_LAYERS_LIMIT = 127  # what one mount takes, with the container's own


@dataclass(frozen=True, slots=True)
class Candidate:
    """Its blobs are in the store; its layers are not unpacked."""

    id: Digest
    manifest: Digest
    config: ImageConfig
    layers: tuple[Descriptor, ...]
    references: tuple[Reference, ...] = ()
    comment: str = ""


def parse_config(data: bytes) -> ImageConfig:
    """Raises InvalidArgument for bytes that are no image config, or of another system."""
    config = ImageConfig.from_json(parse_json(data, "the image config"))
    if config.os not in {"", "linux"}:
        raise InvalidArgument(f"cannot use a {config.os} image on linux")
    return config


def parse_json(data: bytes, what: str) -> object:
    """Raises InvalidArgument naming what is no JSON."""
    try:
        document: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"{what} is not JSON: {error}") from None
    return document


def check_layers(config: ImageConfig, layers: int) -> None:
    """Docker's words for a config that does not fit its layers."""
    if layers > _LAYERS_LIMIT:
        raise InvalidArgument(f"max depth exceeded: {layers} layers, more than {_LAYERS_LIMIT}")
    expected = len(config.diff_ids)
    if expected != layers:
        raise InvalidArgument(
            f"invalid manifest, layers length mismatch: expected {expected}, got {layers}"
        )


def store_manifest(store: Store, config: Descriptor, layers: tuple[Descriptor, ...]) -> Digest:
    """Write the OCI manifest of an image that came without one."""
    manifest = Manifest(config=config, layers=layers, media_type=media_types.MANIFEST)
    return store.add(encode(manifest.to_json()))


def encode(document: object) -> bytes:
    """JSON as it is stored: the same document always makes the same digest."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
