"""Every image verb, on both engines."""

from pathlib import Path

import pytest

from tests.system.daemons import Daemon, busybox_rootfs
from tests.tui.clients.conftest import IMAGE
from tui.clients import BadRequest, Client, ClientError, NotFound, NotSupported


async def test_an_image_is_imported_tagged_and_removed(client: Client, tmp_path: Path) -> None:
    archive = tmp_path / "rootfs.tar"
    archive.write_bytes(busybox_rootfs())
    said = [
        line
        async for line in client.images.import_rootfs(archive, "made:1", ['CMD ["sh"]', "ENV A=b"])
    ]
    detail = await client.images.inspect("made:1")
    assert detail.image.id in said[-1]
    assert (detail.command, detail.architecture) == (("sh",), "amd64")
    assert "A=b" in detail.env
    assert len(detail.layers) == 1
    assert detail.image.size > 100_000
    await client.images.tag("made:1", "made", "2")
    (image,) = [one for one in await client.images.list() if one.id == detail.image.id]
    assert image.references == ("made:1", "made:2")
    history = await client.images.history("made:1")
    assert history[0].size == pytest.approx(image.size, rel=0.1)
    assert await client.images.remove("made:2") == ["untagged made:2"]
    assert any(line.startswith("deleted sha256:") for line in await client.images.remove("made:1"))
    with pytest.raises(NotFound, match=r"(?i)no such image: made:1"):
        await client.images.inspect("made:1")


async def test_a_saved_image_is_loaded(client: Client, engine: Daemon, tmp_path: Path) -> None:
    archive = Path(tmp_path / "saved.tar")
    archive.write_bytes(saved_archive(tmp_path))
    said = [line async for line in client.images.load(archive)]
    assert said[-1].startswith("Loaded image: saved:1")
    assert (await client.images.inspect("saved:1")).image.references == ("saved:1",)
    await client.images.remove("saved:1")


def saved_archive(folder: Path) -> bytes:
    """What ``docker save`` writes, of one layer, made here so that no engine is needed for it."""
    import hashlib
    import io
    import json
    import tarfile

    layer = busybox_rootfs()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created": "2026-01-02T03:04:05Z", "created_by": "test"}],
    }
    document = json.dumps(config).encode()
    name = f"{hashlib.sha256(document).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": ["saved:1"], "Layers": ["layer.tar"]}]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, data in (
            (name, document),
            ("layer.tar", layer),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


async def test_a_file_that_is_no_image_is_refused(client: Client, tmp_path: Path) -> None:
    bad = tmp_path / "bad.tar"
    bad.write_bytes(b"this is no archive" * 100)
    with pytest.raises(ClientError):
        _ = [line async for line in client.images.load(bad)]
    with pytest.raises(BadRequest, match=r"cannot read .*none.tar: no such file"):
        _ = [line async for line in client.images.load(tmp_path / "none.tar")]


async def test_an_image_in_use_is_not_removed(client: Client, name: str) -> None:
    from tests.tui.clients.conftest import shell

    await client.containers.create(shell(name, "true"))
    with pytest.raises(ClientError, match=r"(?i)using its referenced image|is being used|in use"):
        image = (await client.images.inspect(IMAGE)).image
        await client.images.remove(image.id)


async def test_only_berth_makes_an_image_from_the_host(client: Client, engine: Daemon) -> None:
    if engine.kind == "dockerd":
        with pytest.raises(NotSupported, match="docker cannot make an image from the host"):
            client.from_host(["sh"], "host:1")
        return
    said = [line async for line in client.from_host(["sh", "sleep"], "fromhost:1")]
    assert said
    image = (await client.images.inspect("fromhost:1")).image
    assert image.references == ("fromhost:1",)
    await client.images.remove("fromhost:1")
    with pytest.raises(ClientError, match="no-such-program"):
        _ = [line async for line in client.from_host(["no-such-program"], "bad:1")]


async def test_the_node_and_its_use(client: Client, engine: Daemon) -> None:
    node = await client.node()
    assert node.cpus >= 1
    assert node.memory > 0
    assert node.kernel
    assert node.engine == ("docker" if engine.kind == "dockerd" else "berth")
    usage = await client.system.usage()
    assert usage.images >= 1


async def test_an_odd_reference_reaches_no_other_call(client: Client) -> None:
    for odd in ("../info", "..", "a/../../info", "?x=1", "%2e%2e", "UPPER", "a b", ""):
        with pytest.raises(ClientError):
            await client.images.inspect(odd)
