"""Loading images: every archive there is, and refusals that leave nothing."""

import bz2
import gzip
import json
import lzma
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import zstandard

from engine.errors import DigestMismatch, InvalidArgument, NotFound, UnsafeArchive
from engine.images.service import Images
from engine.oci import media_types
from engine.oci.digest import Digest
from tests.unit.images.conftest import (
    BASE,
    TOP,
    Members,
    Room,
    chunks,
    config,
    docker_archive,
    oci_layout,
    tar,
)

pytestmark = pytest.mark.root

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "pzstd": lambda data: b"\x50\x2a\x4d\x18\4\0\0\0size" + PACKERS["zstd"](data),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("packer", PACKERS)
async def test_a_docker_archive_in_any_compression(images: Images, packer: str) -> None:
    archive = tar(docker_archive(((BASE, TOP), ["x:1", "y/z:2"])))
    lines = await images.load(chunks(PACKERS[packer](archive), 777))
    assert lines == ["Loaded image: x:1", "Loaded image: y/z:2"]
    image = images.resolve("x:1")
    assert image.id == Digest.of(config((BASE, TOP)))
    assert image.references == ("x:1", "y/z:2")
    assert image.size == len(b"base") + len(b"top")


async def test_several_images_share_their_layers(room: Room, images: Images) -> None:
    await images.load(chunks(tar(docker_archive(((BASE,), ["a:1"]), ((BASE, TOP), ["b:1"])))))
    assert len(list(room.snapshots.layers())) == 2
    assert images.resolve("a:1").chain_id == Digest.of(BASE)


async def test_an_image_without_a_name_is_dangling(images: Images) -> None:
    archive = docker_archive(((BASE,), []))
    image_id = Digest.of(config((BASE,)))
    assert await images.load(chunks(tar(archive))) == [f"Loaded image ID: {image_id}"]
    assert images.resolve(image_id).references == ()


async def test_layers_that_are_symlinks_as_old_dockers_made_them(images: Images) -> None:
    members = docker_archive(((BASE, BASE), ["x:1"]))
    manifest = json.loads(members["manifest.json"])
    manifest[0]["Layers"][1] = "second/layer.tar"
    members["manifest.json"] = json.dumps(manifest).encode()
    links = {"second/layer.tar": f"../{Digest.of(BASE).encoded}/layer.tar"}
    await images.load(chunks(tar(members, links)))
    assert len(images.resolve("x:1").layers) == 2


@pytest.mark.parametrize(
    ("packer", "media_type"),
    [
        ("plain", media_types.LAYER),
        ("gzip", media_types.LAYER_GZIP),
        ("zstd", media_types.LAYER_ZSTD),
    ],
)
async def test_an_oci_archive(images: Images, packer: str, media_type: str) -> None:
    members = oci_layout((BASE, TOP), "some/name:v1", PACKERS[packer], media_type)
    assert await images.load(chunks(tar(members))) == ["Loaded image: some/name:v1"]
    assert images.resolve("some/name:v1").id == Digest.of(config((BASE, TOP)))


@pytest.mark.parametrize("name", [None, "latest", "v1.2", "3"])
async def test_an_oci_archive_that_names_no_image(images: Images, name: str | None) -> None:
    lines = await images.load(chunks(tar(oci_layout((BASE,), name))))
    assert lines == [f"Loaded image ID: {Digest.of(config((BASE,)))}"]


async def test_a_layout_directory_is_copied(images: Images, tmp_path: Path) -> None:
    _write(tmp_path / "layout", oci_layout((BASE,), "x:1"))
    assert await images.import_layout(tmp_path / "layout") == ["Loaded image: x:1"]
    assert (tmp_path / "layout" / "index.json").exists()


def _write(root: Path, members: Members) -> None:
    for name, data in members.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


async def test_the_same_image_again_changes_nothing(room: Room, images: Images) -> None:
    await images.load(chunks(tar(docker_archive(((BASE,), ["x:1"])))))
    before = set(room.store.digests())
    members = oci_layout((BASE,), "y:1", gzip.compress, media_types.LAYER_GZIP)
    await images.load(chunks(tar(members)))
    assert images.resolve("x:1").references == ("x:1", "y:1")
    assert set(room.store.digests()) == before


async def test_a_name_that_moves_leaves_the_old_image_dangling(images: Images) -> None:
    await images.load(chunks(tar(docker_archive(((BASE,), ["x:1"])))))
    old = images.resolve("x:1").id
    lines = await images.load(chunks(tar(docker_archive(((TOP,), ["x:1"])))))
    assert lines[0] == (
        f"The image x:1 already exists, renaming the old one with ID {old} to empty string"
    )
    assert images.resolve(old).references == ()
    assert images.resolve("x:1").id != old


def _without(members: Members, suffix: str) -> Members:
    return {name: data for name, data in members.items() if not name.endswith(suffix)}


def _with_manifest(**change: object) -> bytes:
    members = docker_archive(((BASE,), ["x:1"]))
    manifest = json.loads(members["manifest.json"])
    manifest[0] |= change
    return tar(members | {"manifest.json": json.dumps(manifest).encode()})


def _swapped_blob() -> bytes:
    members = oci_layout((BASE, TOP), "x:1")
    members[f"blobs/sha256/{Digest.of(TOP).encoded}"] = BASE
    return tar(members)


GOOD = docker_archive(((BASE, TOP), ["x:1"]))
DEVICE = subprocess.run(["tar", "-c", "-C", "/dev", "null"], capture_output=True, check=True).stdout

REFUSED = {
    "nothing": (b"", InvalidArgument, "not an image archive"),
    "a text": (b"text\n" * 1000, UnsafeArchive, "not a tar archive"),
    "a root file system": (tar({"bin/sh": b"x"}), InvalidArgument, "docker import"),
    "a missing layer": (tar(_without(GOOD, "layer.tar")), InvalidArgument, "not in it"),
    "a missing config": (
        tar({"manifest.json": GOOD["manifest.json"]}),
        InvalidArgument,
        r"names '[0-9a-f]{64}\.json', which is not in it",
    ),
    "a manifest that is no JSON": (tar({"manifest.json": b"{"}), InvalidArgument, "not JSON"),
    "a manifest of nesting": (
        tar({"manifest.json": b"[" * 100_000}),
        InvalidArgument,
        "not JSON",
    ),
    "an empty manifest": (tar({"manifest.json": b"[]"}), InvalidArgument, "lists no image"),
    "a manifest of the wrong shape": (
        tar({"manifest.json": b"{}"}),
        InvalidArgument,
        "must be an array",
    ),
    "too few layers": (
        _with_manifest(Layers=[]),
        InvalidArgument,
        "layers length mismatch: expected 1, got 0",
    ),
    "a layer path that climbs": (_with_manifest(Layers=["../x"]), UnsafeArchive, "would leave"),
    "a bad tag": (_with_manifest(RepoTags=["UPPER:1"]), InvalidArgument, "must be lowercase"),
    "a layer that is another": (
        tar(GOOD | {f"{Digest.of(TOP).encoded}/layer.tar": BASE}),
        DigestMismatch,
        "its image says",
    ),
    "an OCI blob that is another": (_swapped_blob(), DigestMismatch, "expected sha256:"),
    "an OCI layout without its blobs": (
        tar(_without(oci_layout((BASE,), "x:1"), Digest.of(BASE).encoded)),
        InvalidArgument,
        "not in it",
    ),
    "another system": (
        tar(docker_archive(((BASE,), ["x:1"]), os="windows")),
        InvalidArgument,
        "windows",
    ),
    "a layer that climbs out": (
        tar(docker_archive(((BASE, tar({"../evil": b"x"})), ["x:1"]))),
        UnsafeArchive,
        "would leave",
    ),
    "a layer that is no tar": (
        tar(docker_archive(((BASE, b"x" * 2000), ["x:1"]))),
        UnsafeArchive,
        "not a tar",
    ),
    "a good image beside a bad one": (
        tar(docker_archive(((BASE,), ["good:1"]), ((BASE, b"bad" * 900), ["bad:1"]))),
        UnsafeArchive,
        "not a tar",
    ),
    "a cut gzip": (gzip.compress(tar(GOOD))[:-20], UnsafeArchive, "damaged gzip data"),
    "a damaged xz": (lzma.compress(tar(GOOD))[:-9] + b"x" * 9, UnsafeArchive, "damaged xz"),
    "a cut bzip2": (bz2.compress(tar(GOOD))[:-20], UnsafeArchive, "damaged bzip2 data"),
    "a cut zstd": (PACKERS["zstd"](tar(GOOD))[:-100], UnsafeArchive, "damaged zstd data"),
    "a cut tar": (tar(GOOD)[:3000], UnsafeArchive, "cut short"),
    "a device": (DEVICE, UnsafeArchive, "a character device has no place"),
    "symlinks in a circle": (
        tar({}, {"manifest.json": "other", "other": "manifest.json"}),
        UnsafeArchive,
        "too many symbolic links",
    ),
    "a tag with a digest": (
        tar(docker_archive(((BASE,), ["x:1@" + Digest.of(b"trusted")]))),
        InvalidArgument,
        "refusing to create a tag with a digest reference",
    ),
    "a giant manifest": (
        tar(GOOD | {"manifest.json": b"[" + b"{}," * (2 << 20) + b"{}]"}),
        InvalidArgument,
        "manifest.json in the archive is too large",
    ),
    "more layers than can be mounted": (
        tar(docker_archive(([BASE] * 128, ["x:1"]))),
        InvalidArgument,
        "max depth exceeded: 128 layers",
    ),
    "a manifest outside": (
        tar({}, {"manifest.json": "../../etc/passwd"}),
        UnsafeArchive,
        "would leave",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_it_is_refused_and_leaves_nothing(room: Room, images: Images, name: str) -> None:
    data, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        await images.load(chunks(data))
    assert images.list() == []
    room.assert_empty()


@pytest.mark.parametrize("name", ["Upper", "1.0+build", "stable/", "x@" + Digest.of(b"trusted")])
async def test_a_layouts_name_that_docker_has_not_is_no_name(images: Images, name: str) -> None:
    image_id = Digest.of(config((BASE,)))
    lines = await images.load(chunks(tar(oci_layout((BASE,), name))))
    assert lines == [f"Loaded image ID: {image_id}"]
    assert images.resolve(image_id).repo_digests == ()


async def test_a_digest_in_a_layouts_name_is_not_believed(images: Images) -> None:
    """Whoever asks for `x@digest` wants what has that digest, not what says so."""
    claimed = Digest.of(b"trusted")
    await images.load(chunks(tar(oci_layout((BASE,), f"x:1@{claimed}"))))
    assert images.resolve("x:1").repo_digests == ()
    with pytest.raises(NotFound):
        images.resolve(f"x@{claimed}")


async def test_an_upload_that_breaks_off_leaves_nothing(room: Room, images: Images) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield tar(GOOD)[:2000]
        raise ConnectionResetError("client went away")

    with pytest.raises(ConnectionResetError):
        await images.load(broken())
    room.assert_empty()


async def test_the_blob_of_a_known_layer_is_checked_too(room: Room, images: Images) -> None:
    await images.load(chunks(tar(docker_archive(((BASE,), ["good:1"])))))
    members = docker_archive(((BASE, TOP), ["bad:1"]))
    members[f"{Digest.of(BASE).encoded}/layer.tar"] = gzip.compress(TOP)
    with pytest.raises(DigestMismatch):
        await images.load(chunks(tar(members)))
    assert [image.references for image in images.list()] == [("good:1",)]


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo: scripts/test-packages")
async def test_skopeo_reads_our_layout_and_we_read_what_it_writes(
    room: Room, images: Images, tmp_path: Path
) -> None:
    await images.load(chunks(tar(docker_archive(((BASE, TOP), ["team/app:1"])))))
    image_id = images.resolve("team/app:1").id
    ours = f"oci:{room.root / 'images'}:team/app:1"
    for kind in ("docker-archive", "oci-archive"):
        path = tmp_path / f"{kind}.tar"
        _run("skopeo", "copy", "-q", ours, f"{kind}:{path}:{kind}/copy:2")
        await images.remove(image_id, force=True)
        assert await images.load(chunks(path.read_bytes())) == [f"Loaded image: {kind}/copy:2"]
        assert images.resolve(f"{kind}/copy:2").id == image_id
        images.tag(image_id, "team/app:1")
        await images.close()


@pytest.mark.skipif(shutil.which("umoci") is None, reason="needs umoci: scripts/test-packages")
async def test_umoci_lists_our_layout(room: Room, images: Images) -> None:
    await images.load(chunks(tar(docker_archive(((BASE,), ["team/app:1", "x"])))))
    listed = _run("umoci", "ls", "--layout", str(room.root / "images")).split()
    assert sorted(listed) == ["team/app:1", "x:latest"]


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


async def test_nothing_is_found_in_an_empty_store(images: Images) -> None:
    with pytest.raises(NotFound, match=r"^No such image: x:latest$"):
        images.resolve("x")
