"""OCI image manifest: one config and its layers, lowest first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import InvalidArgument
from engine.oci import fields, media_types
from engine.oci.descriptor import Descriptor


@dataclass(frozen=True, slots=True)
class Manifest:
    """Reads Docker's schema 2 too, which differs only in its media types."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    media_type: str = media_types.MANIFEST

    @classmethod
    def from_json(cls, document: Any) -> "Manifest":
        """Raises InvalidArgument for another schema version or a field of the wrong type."""
        data = fields.as_object(document, "manifest")
        if data.get("schemaVersion") != 2:
            raise InvalidArgument(
                f"unsupported manifest schema version: {data.get('schemaVersion')!r:.40}"
            )
        layers = fields.as_list(data.get("layers"), "layers")
        return cls(
            config=Descriptor.from_json(data.get("config")),
            layers=tuple(Descriptor.from_json(layer) for layer in layers),
            annotations=fields.text_map(data, "annotations"),
            media_type=fields.text(data, "mediaType") or media_types.MANIFEST,
        )

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": self.config.to_json(),
            "layers": [layer.to_json() for layer in self.layers],
        }
        if self.annotations:
            data["annotations"] = dict(self.annotations)
        return data
