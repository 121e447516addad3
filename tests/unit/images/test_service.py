"""Names, removal, restart and containers' root file systems: what the service promises."""

import asyncio
import json
import subprocess
import sys
import threading
import time

import pytest

from engine.errors import Conflict, InvalidArgument, NotFound
from engine.images.model import Image, Removed
from engine.images.service import Images
from engine.oci.digest import Digest
from tests.unit.images.conftest import BASE, TOP, Room, chunks, docker_archive, tar

pytestmark = pytest.mark.root


async def load(images: Images, layers: tuple[bytes, ...], *tags: str) -> Image:
    lines = await images.load(chunks(tar(docker_archive((layers, tags)))))
    return images.resolve(lines[-1].rpartition(": ")[2])


async def test_an_image_is_found_as_docker_finds_it(images: Images) -> None:
    image = await load(images, (BASE,), "x:latest", "docker.io/team/y:2")
    names = ["x", "x:latest", "library/x", "docker.io/library/x", "team/y:2"]
    ids = [image.id, image.id.encoded, image.id.short, f"sha256:{image.id.short}"]
    for name in [*names, *ids, image.id.encoded[:1], f"x@{image.manifest}"]:
        assert images.resolve(name) == image, name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("y", "^No such image: y:latest$"),
        ("x:2", "^No such image: x:2$"),
        ("sha256:" + "0" * 64, "^No such image: sha256:0{64}$"),
        ("0" * 64, "^No such image: 0{64}$"),
        ("reg.io:5000/a/b:c", "^No such image: reg.io:5000/a/b:c$"),
    ],
)
async def test_a_missing_image_in_dockers_words(images: Images, name: str, words: str) -> None:
    await load(images, (BASE,), "x:latest")
    with pytest.raises(NotFound, match=words):
        images.resolve(name)


async def test_a_name_goes_before_the_beginning_of_an_id(images: Images) -> None:
    image = await load(images, (BASE,), "x:1")
    other = await load(images, (TOP,), f"{image.id.encoded[:4]}:latest")
    assert images.resolve(image.id.encoded[:4]).id == other.id
    assert images.resolve(image.id.encoded[:5]).id == image.id


async def test_an_ambiguous_id_is_said(images: Images) -> None:
    first: dict[str, str] = {}
    for number in range(17):
        image = await load(images, (tar({"f": b"%d" % number}),), f"n:{number}")
        if image.id.encoded[0] in first:
            with pytest.raises(InvalidArgument, match="ambiguous image id"):
                images.resolve(image.id.encoded[0])
            return
        first[image.id.encoded[0]] = image.id
    pytest.fail("17 ids cannot begin with 16 different digits")


async def test_a_tag_is_another_name(room: Room, images: Images) -> None:
    image = await load(images, (BASE,), "x:1")
    images.tag("x:1", "reg.io/y")
    assert images.resolve("reg.io/y").references == ("x:1", "reg.io/y:latest")
    again = await room.reopen()
    assert again.resolve("reg.io/y:latest").id == image.id


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("UP", "must be lowercase"),
        ("a b", "invalid reference format"),
        ("x@sha256:" + "a" * 64, "digest reference"),
        ("sha256:1", "digest algorithm as name"),
    ],
)
async def test_a_bad_tag_is_refused(images: Images, target: str, words: str) -> None:
    await load(images, (BASE,), "x:1")
    with pytest.raises(InvalidArgument, match=words):
        images.tag("x:1", target)


async def test_the_last_name_takes_the_image_along(room: Room, images: Images) -> None:
    image = await load(images, (BASE, TOP), "x:1", "x:2")
    assert await images.remove("x:1") == [Removed("untagged", "x:1")]
    base, top = image.config.chain_ids
    assert await images.remove("x:2") == [
        Removed("untagged", "x:2"),
        Removed("deleted", image.id),
        Removed("deleted", top),
        Removed("deleted", base),
    ]
    room.assert_empty()
    assert json.loads((room.root / "images" / "index.json").read_text())["manifests"] == []


async def test_layers_that_another_image_needs_stay(room: Room, images: Images) -> None:
    await load(images, (BASE,), "base:1")
    top = await load(images, (BASE, TOP), "top:1")
    removed = await images.remove("top:1")
    assert Removed("deleted", Digest.of(BASE)) not in removed
    assert Removed("deleted", top.config.chain_ids[1]) in removed
    assert list(room.snapshots.layers()) == [Digest.of(BASE)]
    assert room.store.exists(Digest.of(BASE))


async def test_an_id_removes_every_name_of_one_repository_only(images: Images) -> None:
    image = await load(images, (BASE,), "x:1", "y:1")
    with pytest.raises(
        Conflict,
        match=rf"^conflict: unable to delete {image.id.short} \(must be forced\)"
        r" - image is referenced in multiple repositories$",
    ):
        await images.remove(image.id.short)
    removed = await images.remove(image.id.short, force=True)
    assert [item.kind for item in removed] == ["untagged", "untagged", "deleted", "deleted"]


async def test_an_image_in_use_needs_force(room: Room, images: Images) -> None:
    image = await load(images, (BASE,), "x:1")
    room.users = ["c" * 64]
    with pytest.raises(
        Conflict,
        match=r'^conflict: unable to remove repository reference "x:1" \(must force\) - container'
        rf" {'c' * 12} is using its referenced image {image.id.short}$",
    ):
        await images.remove("x:1")
    with pytest.raises(Conflict, match=r"\(must be forced\) - .* stopped container c{12}$"):
        await images.remove(image.id)
    assert [item.kind for item in await images.remove("x:1", force=True)] == [
        "untagged",
        "deleted",
        "deleted",
    ]


async def test_an_image_of_a_running_container_loses_only_its_name(
    room: Room, images: Images
) -> None:
    image = await load(images, (BASE,), "x:1")
    room.users = ["c" * 64]
    room.running.add("c" * 64)
    with pytest.raises(Conflict, match=r"\(cannot be forced\) - .* running container c{12}$"):
        await images.remove(image.id, force=True)
    assert await images.remove("x:1", force=True) == [Removed("untagged", "x:1")]
    assert images.resolve(image.id).references == ()


async def test_a_containers_layers_outlive_its_image(room: Room, images: Images) -> None:
    image = await load(images, (BASE, TOP), "x:1")
    mounts = await images.prepare("c1", image.id)
    assert await images.prepare("c1", image.id) == mounts
    await images.remove("x:1")
    assert len(list(room.snapshots.layers())) == 2
    assert room.snapshots.mounts("c1") == mounts
    await images.release("c1")
    await images.release("c1")
    room.assert_empty()


async def test_a_container_outlives_its_image_started_or_not(room: Room, images: Images) -> None:
    image = await load(images, (BASE, TOP), "x:1")
    started = await images.prepare("started", image.id)
    room.users = ["started", "created"]
    await images.remove("x:1", force=True)
    again = await room.reopen()
    assert again.list() == []
    assert await again.prepare("started", image.id) == started
    assert (await again.prepare("created", image.id))[0].type == "overlay"
    with pytest.raises(NotFound, match=f"^No such image: {image.id}$"):
        await again.prepare("another", image.id)
    for container in room.users:
        await again.release(container)
    room.assert_empty()


async def test_a_container_gets_back_a_layer_with_a_damaged_record(
    room: Room, images: Images
) -> None:
    image = await load(images, (BASE, TOP), "x:1")
    mounts = await images.prepare("c1", image.id)
    for path in room.root.glob("snapshots/layers/*/layer.json"):
        path.write_text("{")
    again = await room.reopen()
    assert await again.prepare("c1", image.id) == mounts
    assert len(list(room.snapshots.layers())) == 2


async def test_a_removal_beside_a_create_never_breaks_it(room: Room, images: Images) -> None:
    for number in range(10):
        image = await load(images, (BASE, TOP), "x:1")
        prepared, _ = await asyncio.gather(
            images.prepare(f"c{number}", image.id), images.remove("x:1"), return_exceptions=True
        )
        if isinstance(prepared, BaseException):
            assert isinstance(prepared, NotFound)
        else:
            assert room.snapshots.layer(image.config.chain_ids[1]) is not None
        await images.release(f"c{number}")
    room.assert_empty()


async def test_loads_at_the_same_time(room: Room, images: Images) -> None:
    archive = tar(docker_archive(((BASE, TOP), ["x:1"])))
    other = tar(docker_archive(((TOP,), ["y:1"])))
    await asyncio.gather(*(images.load(chunks(data)) for data in (archive, other) * 4))
    assert sorted(image.name for image in images.list()) == ["x:1", "y:1"]
    assert len(list(room.snapshots.layers())) == 3


async def test_what_a_container_wrote_is_counted(room: Room, images: Images) -> None:
    image = await load(images, (BASE,), "x:1")
    await images.prepare("c1", image.id)
    upper = room.root / "snapshots" / "snapshots" / "c1" / "fs"
    (upper / "f").write_bytes(bytes(8192))
    assert images.usage("c1") == (8192, 1)
    assert images.usage("never-started") == (0, 0)


async def test_everything_is_there_after_a_restart(room: Room, images: Images) -> None:
    named = await load(images, (BASE, TOP), "x:1")
    dangling = await load(images, (TOP,))
    again = await room.reopen()
    assert again.warnings == ()
    assert again.resolve("x:1") == named
    assert again.resolve(dangling.id) == dangling
    assert again.history("x:1")[0].created_by == "step 1"


async def test_a_damaged_image_is_named_and_the_rest_works(room: Room, images: Images) -> None:
    bad = await load(images, (BASE,), "bad:1")
    await load(images, (TOP,), "good:1")
    room.store.path(bad.id).write_bytes(b"{}")
    again = await room.reopen()
    assert any(bad.id in warning for warning in again.warnings)
    assert any("bad:1" in warning for warning in again.warnings)
    assert [image.name for image in again.list()] == ["good:1"]
    assert (await load(again, (BASE,), "bad:1")).id == bad.id


async def test_a_lost_database_is_made_again_from_the_layout(room: Room, images: Images) -> None:
    image = await load(images, (BASE,), "x:1")
    await room.close()
    for path in room.root.glob("berth.db*"):
        path.unlink()
    again = await room.open()
    assert again.resolve("x:1").id == image.id


async def test_lost_layers_are_unpacked_again_for_a_container(room: Room, images: Images) -> None:
    image = await load(images, (BASE, TOP), "x:1")
    for chain_id in reversed(image.config.chain_ids):
        await room.snapshots.remove_layer(chain_id)
    await images.prepare("c1", image.id)
    assert len(list(room.snapshots.layers())) == 2


async def test_events_of_an_images_life(room: Room, images: Images) -> None:
    subscription = room.events.subscribe()
    image = await load(images, (BASE,), "x:1")
    images.tag("x:1", "y:1")
    await images.remove("x:1")
    await images.remove("y:1")
    await images.import_rootfs(chunks(TOP), "imp:1")
    async with subscription:
        seen = [await anext(subscription) for _ in range(7)]
    assert [(event.type, event.action) for event in seen] == [
        ("image", action) for action in ("load", "tag", "untag", "untag", "delete", "import", "tag")
    ]
    assert {event.id for event in seen[:5]} == {image.id}
    assert seen[1].attributes == {"name": "y:1", "kind": "test"}


async def test_history_is_newest_first_with_empty_steps(images: Images) -> None:
    steps = [{"created_by": "a"}, {"created_by": "b", "empty_layer": True}, {"created_by": "c"}]
    archive = docker_archive(((BASE, TOP), ["x:1"]), history=steps)
    await images.load(chunks(tar(archive)))
    lines = [(line.created_by, line.size, line.id) for line in images.history("x:1")]
    top = images.resolve("x:1").id
    assert lines == [("c", 3, top), ("b", 0, "<missing>"), ("a", 4, "<missing>")]


async def test_a_cancelled_removal_leaves_no_collector_behind(
    room: Room, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector that went on unseen would take the blobs of the next load for garbage."""
    deleting, go_on = threading.Event(), threading.Event()
    delete = room.store.delete

    def slow(digest: Digest) -> None:
        deleting.set()
        go_on.wait(10)
        delete(digest)

    await load(images, (BASE, TOP), "x:1")
    monkeypatch.setattr(room.store, "delete", slow)
    removing = asyncio.ensure_future(images.remove("x:1"))
    await asyncio.to_thread(deleting.wait, 10)
    removing.cancel()
    loading = asyncio.ensure_future(load(images, (BASE, TOP), "x:1"))
    done, _ = await asyncio.wait({removing, loading}, timeout=0.1)
    go_on.set()
    assert done == set()
    image = await loading
    assert (await room.reopen()).resolve("x:1") == image


async def test_a_collection_asked_for_during_another_is_made(room: Room, images: Images) -> None:
    for _ in range(10):
        image = await load(images, (BASE, TOP), "x:1")
        for container in ("a", "b"):
            await images.prepare(container, image.id)
        await images.remove("x:1")
        await asyncio.gather(images.release("a"), images.release("b"))
        room.assert_empty()


KILLED = """
import asyncio, os, sys
from pathlib import Path
from tests.unit.images.conftest import Room, chunks
async def main():
    images = await Room(Path(sys.argv[1])).open()
    data = sys.stdin.buffer.read()
    async def upload():
        async for chunk in chunks(data, 512):
            yield chunk
        print("uploaded", flush=True)
    print(await images.load(upload()), flush=True)
asyncio.run(main())
"""


async def test_an_engine_killed_in_a_load_starts_with_all_of_it_or_nothing(room: Room) -> None:
    await room.close()
    layers = [tar({f"f{n}": bytes(1 << 18)}) for n in range(8)]
    archive = tar(docker_archive((layers, ["x:1"])))
    seen: set[int] = set()
    for step in range(8):
        _load_and_kill(room, archive, step)
        images = await room.open()
        seen.add(len(images.list()))
        assert images.warnings == ()
        if images.list():
            await images.prepare("c", images.resolve("x:1").id)
            await images.release("c")
            await images.remove("x:1")
        room.assert_empty()
        await room.close()
    assert 0 in seen
    await room.open()


def _load_and_kill(room: Room, archive: bytes, layers: int) -> None:
    command = [sys.executable, "-c", KILLED, str(room.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as engine:
        assert engine.stdin is not None
        assert engine.stdout is not None
        engine.stdin.write(archive)
        engine.stdin.close()
        engine.stdout.readline()
        _wait_for_layers(room, layers)
        engine.kill()


def _wait_for_layers(room: Room, count: int) -> None:
    """Until that many layers are in place."""
    deadline = time.monotonic() + 10
    while len(list((room.root / "snapshots" / "layers").iterdir())) < count:
        assert time.monotonic() < deadline
