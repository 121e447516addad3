"""`docker save` archives: a `manifest.json` that names configs and layers by path.

The older layout (`<id>/layer.tar`) and the newer one, which is an OCI layout too, differ only in
those paths.
"""

from engine.content import Store
from engine.errors import InvalidArgument
from engine.images.candidate import (
    Candidate,
    check_layers,
    parse_config,
    parse_json,
    store_manifest,
)
from engine.images.sources import Source
from engine.oci import fields, media_types
from engine.oci.descriptor import Descriptor
from engine.oci.digest import Digest
from engine.oci.reference import Reference
from engine.snapshots.archive.compression import GZIP, ZSTD, compression

MANIFEST = "manifest.json"
_LAYER_TYPES = {
    None: media_types.LAYER,
    GZIP: media_types.LAYER_GZIP,
    ZSTD: media_types.LAYER_ZSTD,
}


def read(source: Source, store: Store) -> list[Candidate]:
    """Every image of the archive; their blobs are in the store afterwards.

    Raises InvalidArgument for what is missing or malformed.
    """
    items = fields.as_list(parse_json(source.document(MANIFEST), MANIFEST), MANIFEST)
    if not items:
        raise InvalidArgument(f"{MANIFEST} lists no image")
    return [_image(fields.as_object(item, MANIFEST), source, store) for item in items]


def _image(item: dict[str, object], source: Source, store: Store) -> Candidate:
    path = fields.text(item, "Config")
    data = source.document(path)
    config = parse_config(data)
    layers = fields.texts(item, "Layers") or ()
    check_layers(config, len(layers))
    image_id, size = source.blob(path)
    descriptors = tuple(_layer(layer, source, store) for layer in layers)
    config_descriptor = Descriptor(media_types.CONFIG, image_id, size)
    return Candidate(
        id=image_id,
        manifest=store_manifest(store, config_descriptor, descriptors),
        config=config,
        layers=descriptors,
        references=tuple(_reference(tag) for tag in fields.texts(item, "RepoTags") or ()),
    )


def _layer(path: str, source: Source, store: Store) -> Descriptor:
    digest, size = source.blob(path)
    return Descriptor(layer_type(store, digest), digest, size)


def layer_type(store: Store, digest: Digest) -> str:
    """The media type that a layer's first bytes say; what OCI has no type for counts as a tar."""
    with store.open(digest) as file:
        return _LAYER_TYPES.get(compression(file.read(6)), media_types.LAYER)


def _reference(tag: str) -> Reference:
    reference = Reference.parse(tag)
    if reference.tag is None:
        raise InvalidArgument(f"invalid tag {tag!r:.120}")
    if reference.digest is not None:
        raise InvalidArgument("refusing to create a tag with a digest reference")
    return reference
