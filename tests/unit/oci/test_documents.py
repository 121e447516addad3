"""Documents of strangers are read with errors that name the field, and written as they were."""

from typing import Any

import pytest

from engine.errors import InvalidArgument
from engine.oci import media_types
from engine.oci.descriptor import Descriptor, Platform
from engine.oci.digest import Digest
from engine.oci.image import ImageConfig
from engine.oci.index import Index
from engine.oci.manifest import Manifest

_DIGEST = Digest.of(b"x")
_DESCRIPTOR = {"mediaType": media_types.LAYER, "digest": str(_DIGEST), "size": 1}
_CONFIG: dict[str, Any] = {
    "created": "2026-01-02T03:04:05Z",
    "architecture": "amd64",
    "os": "linux",
    "config": {
        "User": "1:2",
        "Env": ["A=b"],
        "Cmd": ["sh"],
        "Labels": {"k": "v"},
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/data": {}},
        "WorkingDir": "/w",
        "StopSignal": "SIGINT",
        "Healthcheck": {"Test": ["CMD", "true"]},
        "OnBuild": ["RUN x"],
    },
    "rootfs": {"type": "layers", "diff_ids": [str(_DIGEST)]},
    "history": [{"created_by": "x", "empty_layer": True}],
}


def test_a_config_is_written_as_it_was_read() -> None:
    assert ImageConfig.from_json(_CONFIG).to_json() == _CONFIG


def test_a_manifest_and_an_index_are_written_as_they_were_read() -> None:
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_types.MANIFEST,
        "config": _DESCRIPTOR,
        "layers": [_DESCRIPTOR],
    }
    assert Manifest.from_json(manifest).to_json() == manifest
    index = Index((Descriptor("m", _DIGEST, 1, {"a": "b"}, Platform("arm64", "linux", "v8")),))
    assert Index.from_json(index.to_json()) == index


def test_nulls_read_as_nothing_as_in_go() -> None:
    config = ImageConfig.from_json({"config": None, "rootfs": {"diff_ids": None}, "history": None})
    assert (config.diff_ids, config.history, config.config.cmd) == ((), (), None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rootfs": {"diff_ids": "x"}}, "diff_ids: must be an array of strings"),
        ({"rootfs": []}, "rootfs: must be an object"),
        ({"config": {"Env": [1]}}, "Env: must be an array of strings"),
        ({"config": {"Labels": {"a": 1}}}, "Labels: must be an object of strings"),
        ({"history": {}}, "history: must be an array"),
        ({"created": 1}, "created: must be a string"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        ImageConfig.from_json(_CONFIG | change)


def test_a_config_without_rootfs_is_no_image_config() -> None:
    with pytest.raises(InvalidArgument, match="rootfs: missing"):
        ImageConfig.from_json({})


@pytest.mark.parametrize("version", [None, 1, "2"])
def test_other_schema_versions_are_refused(version: object) -> None:
    for read in (Manifest.from_json, Index.from_json):
        with pytest.raises(InvalidArgument, match="schema version"):
            read({"schemaVersion": version})


@pytest.mark.parametrize("size", [-1, True, "1", 1.5])
def test_a_size_is_a_whole_number(size: object) -> None:
    with pytest.raises(InvalidArgument, match="size: must be a number"):
        Descriptor.from_json(_DESCRIPTOR | {"size": size})
