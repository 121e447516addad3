"""OCI image index: a list of manifests; also the `index.json` of an image layout."""

from dataclasses import dataclass
from typing import Any

from engine.errors import InvalidArgument
from engine.oci import fields, media_types
from engine.oci.descriptor import Descriptor


@dataclass(frozen=True, slots=True)
class Index:
    """The order of `manifests` is kept: the first that fits a platform is taken."""

    manifests: tuple[Descriptor, ...]

    @classmethod
    def from_json(cls, document: Any) -> "Index":
        """Raises InvalidArgument for another schema version or a field of the wrong type."""
        data = fields.as_object(document, "index")
        if data.get("schemaVersion") != 2:
            raise InvalidArgument(
                f"unsupported index schema version: {data.get('schemaVersion')!r:.40}"
            )
        manifests = fields.as_list(data.get("manifests"), "manifests")
        return cls(tuple(Descriptor.from_json(manifest) for manifest in manifests))

    def to_json(self) -> dict[str, Any]:
        return {
            "schemaVersion": 2,
            "mediaType": media_types.INDEX,
            "manifests": [manifest.to_json() for manifest in self.manifests],
        }
