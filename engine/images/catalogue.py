"""Which images there are and what they are called: the truth is in the metadata tables.

`images`: image id → {manifest, comment}. `references`: canonical reference → {image}. The layout's
`index.json` is written from them for other tools, and read only when the tables are lost.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from engine.content import Store
from engine.errors import EngineError, InvalidArgument
from engine.images.candidate import check_layers, parse_config, parse_json
from engine.images.model import Image
from engine.metadata import Database
from engine.oci import fields, media_types
from engine.oci.descriptor import Descriptor, Platform
from engine.oci.digest import Digest
from engine.oci.image import ImageConfig
from engine.oci.manifest import Manifest
from engine.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class Record:
    """An image without its names."""

    id: Digest
    manifest: Digest
    manifest_size: int
    media_type: str
    config: ImageConfig
    layers: tuple[Descriptor, ...]
    comment: str = ""


class Catalogue:
    """In memory, and written through to the tables. To be used in the loop only.

    Attributes:
        warnings: damaged images and references that were set aside at start.
    """

    def __init__(self, store: Store, metadata: Database) -> None:
        self._store = store
        self._images = metadata.table("images")
        self._references = metadata.table("references")
        self._records: dict[Digest, Record] = {}
        self._names: dict[Reference, Digest] = {}
        self.warnings: list[str] = []
        self._restore()

    def __contains__(self, image_id: Digest) -> bool:
        return image_id in self._records

    def records(self) -> Iterable[Record]:
        return tuple(self._records.values())

    def get(self, image_id: Digest) -> Record | None:
        return self._records.get(image_id)

    def lookup(self, reference: Reference) -> Digest | None:
        return self._names.get(reference)

    def lookup_text(self, name: str) -> Digest | None:
        """Like `lookup`, for text that may be no reference at all."""
        try:
            return self.lookup(Reference.parse(name))
        except InvalidArgument:
            return None

    def references(self, image_id: Digest) -> list[Reference]:
        """The names of an image, in order."""
        return sorted((name for name, target in self._names.items() if target == image_id), key=str)

    def add(self, record: Record) -> None:
        """Put an image in; its names are not touched."""
        self._records[record.id] = record
        self._images.put(record.id, {"manifest": record.manifest, "comment": record.comment})

    def tag(self, reference: Reference, image_id: Digest) -> Digest | None:
        """Name an image; the image that had the name before, if it is another."""
        previous = self._names.get(reference)
        self._names[reference] = image_id
        self._references.put(str(reference), {"image": image_id})
        return None if previous == image_id else previous

    def untag(self, reference: Reference) -> None:
        del self._names[reference]
        self._references.delete(str(reference))

    def delete(self, image_id: Digest) -> None:
        """Forget an image that has no names any more."""
        del self._records[image_id]
        self._images.delete(image_id)

    def blobs(self) -> set[Digest]:
        """Every blob that an image needs."""
        used: set[Digest] = set()
        for record in self._records.values():
            used |= {record.id, record.manifest, *(layer.digest for layer in record.layers)}
        return used

    def chain_ids(self) -> set[Digest]:
        """Every unpacked layer that an image needs."""
        return {chain for record in self._records.values() for chain in record.config.chain_ids}

    def index(self) -> list[Descriptor]:
        """What `index.json` is to list: one entry a name, one for an image without any."""
        listed: list[Descriptor] = []
        for record in self._records.values():
            names = [name for name in self.references(record.id) if name.digest is None]
            listed += [_descriptor(record, name) for name in names]
            if not names:
                listed.append(_descriptor(record, None))
        return listed

    def _restore(self) -> None:
        documents = self._images.items() or self._recovered()
        for key, document in documents:
            try:
                image_id = Digest.parse(key)
                manifest = Digest.parse(fields.text(document, "manifest"))
                comment = fields.text(document, "comment")
                self._records[image_id] = read(self._store, image_id, manifest, comment)
            except (EngineError, OSError) as error:
                self._images.set_aside(key, str(error))
                self.warnings.append(f"damaged image {key} set aside: {error}")
        for key, document in self._references.items():
            self._restore_name(key, document)

    def _restore_name(self, key: str, document: dict[str, object]) -> None:
        try:
            reference = Reference.parse(key)
            image_id = Digest.parse(fields.text(document, "image"))
            if image_id not in self._records:
                raise InvalidArgument(f"its image {image_id} is not there")
        except EngineError as error:
            self._references.set_aside(key, str(error))
            self.warnings.append(f"reference {key} set aside: {error}")
        else:
            self._names[reference] = image_id

    def _recovered(self) -> list[tuple[str, dict[str, object]]]:
        """Without tables, what the layout's own index still says."""
        try:
            index = self._store.index()
        except (EngineError, OSError, ValueError) as error:
            self.warnings.append(f"damaged {self._store.root / 'index.json'} replaced: {error}")
            return []
        found: dict[str, dict[str, object]] = {}
        for item in index.manifests:
            try:
                manifest = Manifest.from_json(json.loads(self._store.read(item.digest)))
            except (EngineError, ValueError) as error:
                self.warnings.append(f"damaged image {item.digest} set aside: {error}")
                continue
            image_id = manifest.config.digest
            found[image_id] = {"manifest": item.digest, "comment": ""}
            self._images.put(image_id, found[image_id])
            name = item.annotations.get(media_types.CONTAINERD_NAME)
            if name:
                self._references.put(name, {"image": image_id})
        return list(found.items())


def read(store: Store, image_id: Digest, manifest_digest: Digest, comment: str) -> Record:
    """An image as the store has it. Blocking: reads and parses up to some mebibytes.

    Raises NotFound or InvalidArgument when a document or a layer is missing or damaged.
    """
    data = _verified(store, manifest_digest)
    manifest = Manifest.from_json(parse_json(data, f"manifest {manifest_digest}"))
    config = parse_config(_verified(store, image_id))
    check_layers(config, len(manifest.layers))
    for layer in manifest.layers:
        size = store.size(layer.digest)
        if size != layer.size:
            raise InvalidArgument(f"layer {layer.digest} is {size} bytes long, not {layer.size}")
    return Record(
        id=image_id,
        manifest=manifest_digest,
        manifest_size=len(data),
        media_type=manifest.media_type,
        config=config,
        layers=manifest.layers,
        comment=comment,
    )


def _verified(store: Store, digest: Digest) -> bytes:
    data = store.read(digest)
    if digest.algorithm == "sha256" and Digest.of(data) != digest:
        raise InvalidArgument(f"blob {digest} has other content: {Digest.of(data)}")
    return data


def _descriptor(record: Record, name: Reference | None) -> Descriptor:
    annotations = {}
    if name is not None:
        annotations = {media_types.REF_NAME: name.familiar, media_types.CONTAINERD_NAME: str(name)}
    config = record.config
    return Descriptor(
        media_type=record.media_type,
        digest=record.manifest,
        size=record.manifest_size,
        annotations=annotations,
        platform=Platform(config.architecture, config.os or "linux", config.variant),
    )


def to_image(record: Record, names: list[Reference], size: int) -> Image:
    """The public form of a record."""
    return Image(
        id=record.id,
        manifest=record.manifest,
        references=tuple(name.familiar for name in names if name.tag is not None),
        repo_digests=tuple(name.familiar for name in names if name.digest is not None),
        size=size,
        config=record.config,
        layers=record.layers,
        comment=record.comment,
    )
