"""From what a user typed to an image, as Docker does: a name first, then an id or its beginning."""

import re

from engine.errors import InvalidArgument, NotFound
from engine.images.catalogue import Catalogue
from engine.oci.digest import Digest
from engine.oci.reference import Reference

_ID = re.compile(r"(?:sha256:)?([a-f0-9]{1,64})")
_ALGORITHM = "sha256:"


def resolve(catalogue: Catalogue, name: str) -> Digest:
    """The image's id.

    Raises NotFound or InvalidArgument in Docker's words; InvalidArgument also when the beginning
    of an id fits several images.
    """
    reference = _as_reference(name)
    found = None if reference is None else _by_reference(catalogue, reference)
    return found or _by_id(catalogue, name) or _missing(name, reference)


def is_id(name: str, image_id: Digest) -> bool:
    """Whether `name` is (the beginning of) the id, rather than a reference."""
    match = _ID.fullmatch(name)
    return match is not None and image_id.encoded.startswith(match[1])


def _as_reference(name: str) -> Reference | None:
    """None for a full id, which is no reference. Raises InvalidArgument."""
    if name.startswith(_ALGORITHM) and "@" not in name and len(name) > len(_ALGORITHM) + 63:
        Digest.parse(name)
        return None
    if len(name) == 64 and _ID.fullmatch(name):
        return None
    return Reference.parse(name)


def _by_reference(catalogue: Catalogue, reference: Reference) -> Digest | None:
    found = catalogue.lookup(reference)
    if found is not None or reference.digest is None:
        return found
    by_digest = reference.with_digest(reference.digest)
    found = catalogue.lookup(by_digest)
    return found or _by_manifest(catalogue, by_digest)


def _by_manifest(catalogue: Catalogue, reference: Reference) -> Digest | None:
    """`name@digest` of an image that was loaded under another tag of the same repository."""
    for record in catalogue.records():
        if record.manifest == reference.digest and any(
            name.name == reference.name for name in catalogue.references(record.id)
        ):
            return record.id
    return None


def _by_id(catalogue: Catalogue, name: str) -> Digest | None:
    match = _ID.fullmatch(name)
    if match is None:
        return None
    fitting = [
        record.id for record in catalogue.records() if record.id.encoded.startswith(match[1])
    ]
    if len(fitting) > 1:
        raise InvalidArgument(
            f"ambiguous image id: {name} fits {len(fitting)} images; give more of it"
        )
    return fitting[0] if fitting else None


def _missing(name: str, reference: Reference | None) -> Digest:
    raise NotFound(f"No such image: {name if reference is None else reference.familiar}")
