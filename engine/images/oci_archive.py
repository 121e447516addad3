"""OCI image layouts, packed or not: `index.json` leads to manifests, everything by digest."""

import platform
import re
from dataclasses import replace

from engine.content import Store
from engine.errors import DigestMismatch, InvalidArgument
from engine.images.candidate import Candidate, check_layers, parse_config, parse_json
from engine.images.sources import Source
from engine.oci import media_types
from engine.oci.descriptor import Descriptor
from engine.oci.digest import Digest
from engine.oci.index import Index
from engine.oci.manifest import Manifest
from engine.oci.reference import Reference

INDEX = "index.json"
LAYOUT = "oci-layout"
_DEPTH_LIMIT = 4  # indexes in indexes
_ATTESTATION = "vnd.docker.reference.type"
_BARE_TAG = re.compile(r"latest|v?[0-9][A-Za-z0-9_.-]*")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def architecture() -> str:
    """This machine's architecture in Go's words."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def read(source: Source, store: Store) -> list[Candidate]:
    """Every image that `index.json` lists, each for this machine's platform.

    Raises InvalidArgument for what is missing or malformed, DigestMismatch for a wrong blob.
    """
    index = Index.from_json(parse_json(source.document(INDEX), INDEX))
    listed = [item for item in index.manifests if _ATTESTATION not in item.annotations]
    if not listed:
        raise InvalidArgument(f"{INDEX} lists no image")
    return _merged([_image(item, source, store) for item in listed])


def _merged(candidates: list[Candidate]) -> list[Candidate]:
    """A layout lists an image once a name; the names of one image belong together."""
    merged: dict[Digest, Candidate] = {}
    for candidate in candidates:
        known = merged.setdefault(candidate.manifest, candidate)
        references = dict.fromkeys(known.references + candidate.references)
        merged[candidate.manifest] = replace(known, references=tuple(references))
    return list(merged.values())


def _image(listed: Descriptor, source: Source, store: Store) -> Candidate:
    descriptor = _choose(listed, source, 0)
    data = _document(descriptor, source)
    manifest = Manifest.from_json(parse_json(data, "the manifest"))
    config = parse_config(_document(manifest.config, source))
    check_layers(config, len(manifest.layers))
    for blob in (descriptor, manifest.config, *manifest.layers):
        _take(blob, source, store)
    return Candidate(
        id=manifest.config.digest,
        manifest=descriptor.digest,
        config=config,
        layers=manifest.layers,
        references=_references(listed),
    )


def _choose(descriptor: Descriptor, source: Source, depth: int) -> Descriptor:
    """Follow indexes to the manifest for this machine."""
    if descriptor.media_type not in media_types.INDEXES:
        return descriptor
    if depth >= _DEPTH_LIMIT:
        raise InvalidArgument("the image index is nested too deeply")
    index = Index.from_json(parse_json(_document(descriptor, source), "the image index"))
    ours = [item for item in index.manifests if _fits(item)]
    if not ours:
        raise InvalidArgument(f"the image has no variant for linux/{architecture()}")
    present = [item for item in ours if source.has(_path(item.digest))]
    return _choose((present or ours)[0], source, depth + 1)


def _fits(item: Descriptor) -> bool:
    if _ATTESTATION in item.annotations:
        return False
    wanted = item.platform
    return wanted is None or (wanted.os, wanted.architecture) == ("linux", architecture())


def _path(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.encoded}"


def _document(descriptor: Descriptor, source: Source) -> bytes:
    data = source.document(_path(descriptor.digest))
    if descriptor.digest.algorithm == "sha256" and Digest.of(data) != descriptor.digest:
        raise DigestMismatch(f"content is {Digest.of(data)}, expected {descriptor.digest}")
    return data


def _take(descriptor: Descriptor, source: Source, store: Store) -> None:
    """Only sha256 can be compared here, which is what every writer uses."""
    digest, size = source.blob(_path(descriptor.digest))
    if digest != descriptor.digest:
        raise DigestMismatch(f"content is {digest}, expected {descriptor.digest}")
    if size != descriptor.size:
        raise DigestMismatch(
            f"{digest} is {size} bytes long, its descriptor says {descriptor.size}"
        )


def _references(listed: Descriptor) -> tuple[Reference, ...]:
    """The image's name, if the layout has one.

    A bare tag or version names no image, nor does what the image spec allows and Docker does not.
    A digest is not taken from whoever packed the archive: it would pass for the registry's word.
    """
    full = listed.annotations.get(media_types.CONTAINERD_NAME)
    name = full or listed.annotations.get(media_types.REF_NAME, "")
    if not name or (full is None and _BARE_TAG.fullmatch(name)):
        return ()
    try:
        reference = Reference.parse(name)
    except InvalidArgument:
        return ()
    return () if reference.tag is None else (replace(reference, digest=None),)
