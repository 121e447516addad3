"""An image service on a directory of its own, and archives for it."""

import io
import json
import tarfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.content import Store
from engine.events import Exchange
from engine.images.service import Images
from engine.metadata import Database
from engine.oci import media_types
from engine.oci.digest import Digest
from engine.snapshots.overlay import Overlay

Members = dict[str, bytes]


class Room:
    """The service with what it stands on; `open` again for a restart."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.users: list[str] = []
        self.running: set[str] = set()
        self.events = Exchange()

    async def open(self) -> Images:
        self.store = Store(self.root / "images")
        self.snapshots = Overlay(self.root / "snapshots")
        self.database = Database(self.root / "berth.db")
        self.images = Images(
            self.store,
            self.snapshots,
            self.database,
            self.events,
            lambda _image: list(self.users),
            self.running.__contains__,
        )
        await self.images.restore()
        return self.images

    async def close(self) -> None:
        await self.images.close()
        self.database.close()

    async def reopen(self) -> Images:
        await self.close()
        return await self.open()

    def assert_empty(self) -> None:
        """Nothing of any image is on the disk."""
        assert list(self.store.digests()) == []
        assert list(self.snapshots.layers()) == []
        assert list((self.root / "images" / "ingest").iterdir()) == []
        assert list((self.root / "snapshots" / "tmp").iterdir()) == []


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    room = Room(tmp_path / "data")
    await room.open()
    yield room
    await room.close()
    room.events.close()


@pytest.fixture
def images(room: Room) -> Images:
    return room.images


async def chunks(data: bytes, size: int = 65536) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def tar(members: Members, links: dict[str, str] | None = None) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return stream.getvalue()


BASE = tar({"base": b"base"})
TOP = tar({"top": b"top"})


def config(layers: Sequence[bytes], **extra: Any) -> bytes:
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-02T03:04:05Z",
        "config": {"Cmd": ["sh"], "Labels": {"kind": "test"}},
        "rootfs": {"type": "layers", "diff_ids": [Digest.of(layer) for layer in layers]},
        "history": [{"created_by": f"step {number}"} for number, _ in enumerate(layers)],
    }
    return json.dumps(document | extra).encode()


def docker_archive(*images: tuple[Sequence[bytes], Sequence[str]], **extra: Any) -> Members:
    """`docker save` in the older layout: layers first, the manifest last."""
    members: Members = {}
    manifest = []
    for layers, tags in images:
        data = config(layers, **extra)
        name = f"{Digest.of(data).encoded}.json"
        paths = [f"{Digest.of(layer).encoded}/layer.tar" for layer in layers]
        members |= dict(zip(paths, layers, strict=True)) | {name: data}
        manifest.append({"Config": name, "RepoTags": list(tags), "Layers": paths})
    return members | {"manifest.json": json.dumps(manifest).encode()}


def oci_layout(
    layers: Sequence[bytes],
    name: str | None,
    pack: Callable[[bytes], bytes] = bytes,
    media_type: str = media_types.LAYER,
) -> Members:
    """One image as an OCI layout, each layer packed by `pack`."""
    data = config(layers)
    packed = [pack(layer) for layer in layers]
    manifest = {
        "schemaVersion": 2,
        "config": _descriptor(media_types.CONFIG, data),
        "layers": [_descriptor(media_type, blob) for blob in packed],
    }
    document = json.dumps(manifest).encode()
    listed = _descriptor(media_types.MANIFEST, document)
    if name is not None:
        listed["annotations"] = {media_types.REF_NAME: name}
    blobs = {f"blobs/sha256/{Digest.of(b).encoded}": b for b in (data, document, *packed)}
    index = {"schemaVersion": 2, "manifests": [listed]}
    return blobs | {
        "index.json": json.dumps(index).encode(),
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
    }


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": Digest.of(data), "size": len(data)}
