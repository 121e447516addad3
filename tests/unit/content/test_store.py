"""The content store: whole blobs or none, in a layout that other tools read."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.content import Store
from engine.errors import DigestMismatch, InvalidArgument, NotFound
from engine.oci import media_types
from engine.oci.descriptor import Descriptor
from engine.oci.digest import Digest


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "images")


def _temporary(store: Store) -> list[Path]:
    return list((store.root / "ingest").iterdir())


def test_a_blob_is_read_back_by_its_digest(store: Store) -> None:
    digest = store.ingest([b"ab", b"c"], Digest.of(b"abc"))
    assert digest == Digest.of(b"abc")
    assert (store.read(digest), store.size(digest), store.exists(digest)) == (b"abc", 3, True)
    assert list(store.digests()) == [digest]


def test_other_algorithms_are_verified_too(store: Store) -> None:
    expected = Digest.parse("sha512:" + hashlib.sha512(b"abc").hexdigest())
    assert store.ingest([b"abc"], expected) == expected
    assert store.read(expected) == b"abc"


def test_a_wrong_digest_leaves_nothing(store: Store) -> None:
    with pytest.raises(DigestMismatch, match="expected sha256:"):
        store.ingest([b"abc"], Digest.of(b"other"))
    assert (list(store.digests()), _temporary(store)) == ([], [])


def test_a_source_that_fails_leaves_nothing(store: Store) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"abc"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        store.ingest(chunks())
    assert (list(store.digests()), _temporary(store)) == ([], [])


def test_a_damaged_blob_is_replaced_by_a_good_one(store: Store) -> None:
    digest = store.add(b"abc")
    store.path(digest).write_bytes(b"xyz")
    store.add(b"abc")
    assert store.read(digest) == b"abc"
    store.path(digest).write_bytes(b"xyz")
    scratch = store.scratch() / "file"
    scratch.write_bytes(b"abc")
    store.adopt(scratch, digest)
    assert store.read(digest) == b"abc"


def test_a_strangers_file_among_the_blobs_is_left_alone(store: Store) -> None:
    digest = store.add(b"abc")
    blobs = store.root / "blobs"
    for path in (blobs / "README", blobs / "sha256" / "notes.txt", blobs / "sha256" / ("0" * 63)):
        path.write_text("x")
    assert list(store.digests()) == [digest]


def test_a_missing_blob_is_named(store: Store) -> None:
    missing = Digest.of(b"missing")
    for ask in (store.read, store.open, store.size):
        with pytest.raises(NotFound, match=missing):
            ask(missing)
    store.delete(missing)


def test_what_a_crash_left_is_cleaned_at_start(store: Store) -> None:
    (store.root / "ingest" / "half").write_bytes(b"x")
    (store.scratch() / "member").write_bytes(b"x")
    store.clean()
    assert _temporary(store) == []


def test_one_blob_written_by_many_threads_is_there_once(store: Store) -> None:
    data = os.urandom(1 << 20)
    threads = [threading.Thread(target=store.add, args=(data,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(store.digests()) == [Digest.of(data)]
    assert (store.read(Digest.of(data)), _temporary(store)) == (data, [])


def test_the_layout_is_the_image_specs(store: Store) -> None:
    assert json.loads((store.root / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    listed = Descriptor(media_types.MANIFEST, Digest.of(b"m"), 1, {media_types.REF_NAME: "a:1"})
    store.write_index([listed])
    assert Store(store.root).index().manifests == (listed,)


def test_a_damaged_index_is_an_error_of_its_own(store: Store) -> None:
    (store.root / "index.json").write_text("[]")
    with pytest.raises(InvalidArgument):
        store.index()


@pytest.mark.root
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from engine.content import Store\n"
        "from engine.errors import Unavailable\n"
        "store = Store(Path(sys.argv[1]))\n"
        "try:\n"
        "    store.ingest(bytes(1 << 16) for _ in range(64))\n"
        "except Unavailable as error:\n"
        "    print(error, list(store.digests()), list((store.root / 'ingest').iterdir()))\n"
    )
    mount = f'mount -t tmpfs -o size=1m none {tmp_path} && exec "$@"'
    python = [sys.executable, "-c", script, str(tmp_path / "store")]
    command = ["unshare", "-m", "sh", "-c", mount, "sh", *python]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "no space left on the device to store an image [] []\n"
