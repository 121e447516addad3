"""OCI content descriptor: what is pointed at, how long it is, and its digest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.oci import fields
from engine.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class Platform:
    """What a manifest of an index is built for, in Go's names."""

    architecture: str
    os: str
    variant: str = ""

    @classmethod
    def from_json(cls, document: Any) -> "Platform":
        data = fields.as_object(document, "platform")
        read = fields.text
        return cls(read(data, "architecture"), read(data, "os"), read(data, "variant"))

    def to_json(self) -> dict[str, Any]:
        data = {"architecture": self.architecture, "os": self.os, "variant": self.variant}
        return {key: value for key, value in data.items() if value}


@dataclass(frozen=True, slots=True)
class Descriptor:
    """`size` is in bytes. Unknown keys are not kept: descriptors are never re-hashed."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None

    @classmethod
    def from_json(cls, document: Any) -> "Descriptor":
        """Raises InvalidArgument naming the field that is wrong."""
        data = fields.as_object(document, "descriptor")
        platform = data.get("platform")
        return cls(
            media_type=fields.text(data, "mediaType"),
            digest=Digest.parse(fields.text(data, "digest")),
            size=fields.integer(data, "size"),
            annotations=fields.text_map(data, "annotations"),
            platform=None if platform is None else Platform.from_json(platform),
        )

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.annotations:
            data["annotations"] = dict(self.annotations)
        if self.platform is not None:
            data["platform"] = self.platform.to_json()
        return data
