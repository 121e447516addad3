"""OCI image config: what a container of the image runs, and which layers it is made of."""

from dataclasses import dataclass, field
from typing import Any

from engine.errors import InvalidArgument
from engine.oci import fields
from engine.oci.digest import Digest, chain_ids


@dataclass(frozen=True, slots=True)
class History:
    """One build step. `created` is RFC 3339 text as it was written, or empty."""

    created: str = ""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False

    @classmethod
    def from_json(cls, document: Any) -> "History":
        data = fields.as_object(document, "history")
        read = fields.text
        return cls(
            created=read(data, "created"),
            created_by=read(data, "created_by"),
            author=read(data, "author"),
            comment=read(data, "comment"),
            empty_layer=data.get("empty_layer") is True,
        )

    def to_json(self) -> dict[str, Any]:
        data = {
            "created": self.created,
            "created_by": self.created_by,
            "author": self.author,
            "comment": self.comment,
            "empty_layer": self.empty_layer,
        }
        return {key: value for key, value in data.items() if value}


@dataclass(frozen=True, slots=True)
class ProcessDefaults:
    """The `config` object: defaults that a container may override.

    `healthcheck` keeps Docker's own keys (Test, Interval, …), durations in nanoseconds.
    """

    user: str = ""
    env: tuple[str, ...] = ()
    cmd: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    working_dir: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str | None = None
    healthcheck: dict[str, Any] | None = None
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, document: Any) -> "ProcessDefaults":
        data = fields.as_object(document, "config")
        healthcheck = data.get("Healthcheck")
        return cls(
            user=fields.text(data, "User"),
            env=fields.texts(data, "Env") or (),
            cmd=fields.texts(data, "Cmd"),
            entrypoint=fields.texts(data, "Entrypoint"),
            working_dir=fields.text(data, "WorkingDir"),
            labels=fields.text_map(data, "Labels"),
            exposed_ports=fields.keys(data, "ExposedPorts"),
            volumes=fields.keys(data, "Volumes"),
            stop_signal=fields.text(data, "StopSignal") or None,
            healthcheck=None
            if healthcheck is None
            else fields.as_object(healthcheck, "Healthcheck"),
            shell=fields.texts(data, "Shell"),
            on_build=fields.texts(data, "OnBuild") or (),
        )

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "User": self.user,
            "ExposedPorts": {port: {} for port in self.exposed_ports},
            "Env": list(self.env),
            "Entrypoint": None if self.entrypoint is None else list(self.entrypoint),
            "Cmd": None if self.cmd is None else list(self.cmd),
            "Healthcheck": self.healthcheck,
            "Volumes": {volume: {} for volume in self.volumes},
            "WorkingDir": self.working_dir,
            "Labels": dict(self.labels),
            "StopSignal": self.stop_signal,
            "Shell": None if self.shell is None else list(self.shell),
            "OnBuild": list(self.on_build),
        }
        return {key: value for key, value in data.items() if value}


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The image's id is the digest of this document's bytes as stored, not of `to_json()`."""

    architecture: str
    os: str
    diff_ids: tuple[Digest, ...]
    config: ProcessDefaults = field(default_factory=ProcessDefaults)
    created: str = ""
    author: str = ""
    variant: str = ""
    history: tuple[History, ...] = ()

    @property
    def chain_ids(self) -> tuple[Digest, ...]:
        """One a layer, lowest first."""
        return chain_ids(self.diff_ids)

    @property
    def chain_id(self) -> Digest | None:
        """What a container's root is stacked on; None for an image without layers."""
        chain = self.chain_ids
        return chain[-1] if chain else None

    @classmethod
    def from_json(cls, document: Any) -> "ImageConfig":
        """Raises InvalidArgument when rootfs is missing or a field has the wrong type."""
        data = fields.as_object(document, "image config")
        if "rootfs" not in data:
            raise InvalidArgument("rootfs: missing from the image config")
        rootfs = fields.as_object(data["rootfs"], "rootfs")
        history = fields.as_list(data.get("history"), "history")
        return cls(
            architecture=fields.text(data, "architecture"),
            os=fields.text(data, "os"),
            diff_ids=tuple(Digest.parse(item) for item in fields.texts(rootfs, "diff_ids") or ()),
            config=ProcessDefaults.from_json(data.get("config")),
            created=fields.text(data, "created"),
            author=fields.text(data, "author"),
            variant=fields.text(data, "variant"),
            history=tuple(History.from_json(item) for item in history),
        )

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "created": self.created,
            "author": self.author,
            "architecture": self.architecture,
            "variant": self.variant,
            "os": self.os,
        }
        return {key: value for key, value in data.items() if value} | {
            "config": self.config.to_json(),
            "rootfs": {"type": "layers", "diff_ids": [str(item) for item in self.diff_ids]},
            "history": [item.to_json() for item in self.history],
        }
