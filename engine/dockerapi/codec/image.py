"""Images as the API lists and inspects them."""

from typing import Any

from engine.dockerapi.codec.config import write_defaults
from engine.dockerapi.codec.times import seconds_of
from engine.images.model import HistoryEntry, Image, Removed

_UNTIMED = "0001-01-01T00:00:00Z"


def write_image_summary(image: Image, containers: int = -1) -> dict[str, Any]:
    """One line of the list; -1 containers means "not counted"."""
    return {
        "Id": str(image.id),
        "ParentId": "",
        "RepoTags": list(image.references),
        "RepoDigests": list(image.repo_digests),
        "Created": seconds_of(image.created),
        "Size": image.size,
        "SharedSize": -1,
        "VirtualSize": image.size,
        "Labels": dict(image.config.config.labels) or None,
        "Containers": containers,
    }


def write_image(image: Image) -> dict[str, Any]:
    """Everything about one image."""
    config = image.config
    return {
        "Id": str(image.id),
        "RepoTags": list(image.references),
        "RepoDigests": list(image.repo_digests),
        "Parent": "",
        "Comment": image.comment,
        "Created": image.created or _UNTIMED,
        "DockerVersion": "",
        "Author": config.author,
        "Config": write_defaults(config.config),
        "Architecture": config.architecture,
        **({"Variant": config.variant} if config.variant else {}),
        "Os": config.os,
        "Size": image.size,
        "VirtualSize": image.size,
        "GraphDriver": {"Data": None, "Name": "overlay2"},
        "RootFS": {"Type": "layers", "Layers": [str(item) for item in config.diff_ids]},
        "Metadata": {"LastTagTime": _UNTIMED},
    }


def write_history(entry: HistoryEntry) -> dict[str, Any]:
    return {
        "Id": entry.id,
        "Created": seconds_of(entry.created),
        "CreatedBy": entry.created_by,
        "Tags": list(entry.tags) or None,
        "Size": entry.size,
        "Comment": entry.comment,
    }


def write_removed(removed: Removed) -> dict[str, str]:
    return {"Untagged" if removed.kind == "untagged" else "Deleted": removed.name}
