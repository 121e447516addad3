"""An image as the list shows it, and as its inspect view does."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Image:
    """One image id with all the names that lead to it."""

    id: str
    references: tuple[str, ...] = ()
    created: float = 0.0
    size: int = 0
    containers: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    digests: tuple[str, ...] = ()

    @property
    def short_id(self) -> str:
        """12 digits without the algorithm."""
        return self.id.rpartition(":")[2][:12]

    @property
    def dangling(self) -> bool:
        """No name leads to it."""
        return not self.references

    @property
    def name(self) -> str:
        """What a person would call it: its first reference, else its short id."""
        return self.references[0] if self.references else self.short_id


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One step of an image's making; ``size`` is 0 for steps that only changed the config."""

    id: str
    created: float
    created_by: str
    size: int = 0
    comment: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageDetail:
    """What the inspect view groups, and the engine's own document as pretty JSON text."""

    image: Image
    architecture: str = ""
    os: str = ""
    author: str = ""
    comment: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    stop_signal: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    storage_driver: str = ""
    raw_json: str = ""
