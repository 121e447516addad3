"""A root file system tar as an image, with Dockerfile instructions."""

import gzip
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import InvalidArgument, UnsafeArchive
from engine.images.changes import apply
from engine.images.service import Images
from engine.oci.digest import Digest
from engine.oci.image import ProcessDefaults
from tests.unit.images.conftest import BASE, Room, chunks, tar

pytestmark = pytest.mark.root


async def test_it_has_one_layer_and_says_where_it_came_from(images: Images) -> None:
    image = await images.import_rootfs(chunks(BASE), "imp:1", changes=["CMD sh"], message="mine")
    assert image.references == ("imp:1",)
    assert image.config.diff_ids == (Digest.of(BASE),)
    assert image.config.config.cmd == ("/bin/sh", "-c", "sh")
    [step] = images.history("imp:1")
    assert (step.comment, step.size, step.tags) == ("mine", 4, ("imp:1",))


async def test_a_packed_tar_has_the_diff_id_of_the_plain_one(images: Images) -> None:
    image = await images.import_rootfs(chunks(gzip.compress(BASE)), None)
    assert image.config.diff_ids == (Digest.of(BASE),)
    assert image.references == ()


async def test_a_tar_of_nothing_is_an_empty_image(images: Images) -> None:
    image = await images.import_rootfs(chunks(bytes(10240)), "scratch:1")
    assert image.size == 0


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", InvalidArgument, "empty"),
        (BASE[:1024], InvalidArgument, "no end mark"),
        (BASE[:600], UnsafeArchive, "cut short"),
        (b"text" * 1000, UnsafeArchive, "not a tar"),
        (tar({"../x": b""}), UnsafeArchive, "would leave"),
    ],
    ids=["nothing", "no end", "half an entry", "a text", "an entry that climbs"],
)
async def test_a_bad_archive_leaves_nothing(
    room: Room, images: Images, data: bytes, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        await images.import_rootfs(chunks(data), "imp:1")
    assert images.list() == []
    room.assert_empty()


async def test_a_bad_name_or_change_is_refused(room: Room, images: Images) -> None:
    with pytest.raises(InvalidArgument, match="must be lowercase"):
        await images.import_rootfs(chunks(BASE), "IMP")
    with pytest.raises(InvalidArgument, match="RUN is not a valid change command"):
        await images.import_rootfs(chunks(BASE), "imp", changes=["RUN x"])
    room.assert_empty()


NOTHING = ProcessDefaults()


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ('CMD ["a", "b c"]', {"cmd": ("a", "b c")}),
        ("cmd echo hi", {"cmd": ("/bin/sh", "-c", "echo hi")}),
        ('ENTRYPOINT ["/x"]', {"entrypoint": ("/x",)}),
        ("ENV A=1 B='2 3'", {"env": ("A=1", "B=2 3")}),
        ("ENV A the rest", {"env": ("A=the rest",)}),
        ("LABEL a.b=c", {"labels": {"a.b": "c"}}),
        ("EXPOSE 80 53/udp 1-2", {"exposed_ports": ("80/tcp", "53/udp", "1/tcp", "2/tcp")}),
        ('VOLUME ["/a", "/b"]', {"volumes": ("/a", "/b")}),
        ("VOLUME /a /b", {"volumes": ("/a", "/b")}),
        ("WORKDIR /w", {"working_dir": "/w"}),
        ("USER 1:2", {"user": "1:2"}),
        ("STOPSIGNAL SIGINT", {"stop_signal": "SIGINT"}),
        ("ONBUILD RUN x", {"on_build": ("RUN x",)}),
        ('SHELL ["bash", "-c"]', {"shell": ("bash", "-c")}),
        ("HEALTHCHECK NONE", {"healthcheck": {"Test": ["NONE"]}}),
        (
            "HEALTHCHECK --interval=1m30s --retries=3 CMD curl x",
            {
                "healthcheck": {
                    "Interval": 90 * 10**9,
                    "Retries": 3,
                    "Test": ["CMD-SHELL", "curl x"],
                }
            },
        ),
        ('HEALTHCHECK CMD ["a"]', {"healthcheck": {"Test": ["CMD", "a"]}}),
    ],
)
def test_a_change(change: str, fields: dict[str, Any]) -> None:
    assert apply(NOTHING, [change]) == replace(NOTHING, **fields)


def test_changes_apply_in_order() -> None:
    done = apply(NOTHING, ["ENV A=1 B=2\nWORKDIR /a", "ENV A=3", "WORKDIR b", "# nothing"])
    assert (done.env, done.working_dir) == (("B=2", "A=3"), "/a/b")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("FROM x", "FROM is not a valid change command"),
        ("CMD", "CMD requires an argument"),
        ("ENV A", "ENV must have two arguments"),
        ("ENV A=1 B", "can't find = in 'B'"),
        ("ENV A='", "No closing quotation"),
        ("EXPOSE 0", "invalid port: 0"),
        ("EXPOSE 70000", "invalid port"),
        ("EXPOSE 9-1", "invalid port"),
        ("HEALTHCHECK RUN x", "try CMD"),
        ("HEALTHCHECK --interval=soon CMD x", "not a duration"),
        ("HEALTHCHECK --what=1 CMD x", "unknown or wrong option --what=1"),
        ("ONBUILD FROM x", "isn't allowed"),
        ("STOPSIGNAL no!", "Invalid signal"),
        ("SHELL bash", "JSON form"),
    ],
)
def test_a_wrong_change_is_named(change: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        apply(NOTHING, [change])
