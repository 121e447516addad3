"""What every snapshotter does, on each of them, seen through a really mounted root.

The mounts are made in a private mount namespace of a child process, as a container's are.
"""

import asyncio
import errno
import io
import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from engine.errors import AlreadyInUse, Conflict, DigestMismatch, NotFound, UnsafeArchive
from engine.oci.digest import Digest, chain_ids
from engine.runtime.mount import Mount
from engine.snapshots.copy import Copy
from engine.snapshots.overlay import Overlay
from engine.snapshots.snapshotter import Snapshotter

pytestmark = pytest.mark.root

Files = dict[str, str | None]
"""Path to content; None for a directory."""


@pytest.fixture(params=[Overlay, Copy], ids=["overlay", "copy"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Snapshotter]:
    return lambda: request.param(tmp_path / "snapshots")


@pytest.fixture
def snapshots(make: Callable[[], Snapshotter]) -> Snapshotter:
    return make()


def layer(files: Files) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mode = 0o755
            if content is None:
                info.type = tarfile.DIRTYPE
            info.size = len(content or "")
            tar.addfile(info, io.BytesIO((content or "").encode()))
    return stream.getvalue()


async def unpack(snapshots: Snapshotter, *layers: Files) -> Digest:
    """Unpack layers on each other; the chain id of the last."""
    tars = [layer(files) for files in layers]
    diff_ids = tuple(map(Digest.of, tars))
    parent: Digest | None = None
    for chain_id, diff_id, tar in zip(chain_ids(diff_ids), diff_ids, tars, strict=True):
        await snapshots.unpack(chain_id, parent, diff_id, lambda tar=tar: io.BytesIO(tar))
        parent = chain_id
    assert parent is not None
    return parent


def run_in(mounts: Sequence[Mount], tmp_path: Path, script: str) -> str:
    """Mount in a namespace of its own and run a shell script in that directory."""
    target = tmp_path / "mounted"
    target.mkdir(exist_ok=True)
    commands = [_mount_command(mount, target) for mount in mounts]
    whole = " && ".join([*commands, f"cd {target}", script])
    command = ["unshare", "--mount", "--propagation=private", "sh", "-c", whole]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _mount_command(mount: Mount, target: Path) -> str:
    kind = "" if mount.type == "bind" else f"-t {mount.type} "
    return f"mount {kind}-o '{','.join(mount.options)}' {mount.source} {target}"


async def show(snapshots: Snapshotter, chain: Digest, tmp_path: Path) -> Files:
    """What a container on `chain` sees."""
    mounts = await snapshots.prepare("show", chain)
    script = "find . -mindepth 1 -printf '%y %P\\n' | sort"
    lines = run_in(mounts, tmp_path, script).splitlines()
    await snapshots.remove("show")
    return {line[2:]: None if line[0] == "d" else line[0] for line in lines}


async def test_upper_layers_cover_lower_ones(snapshots: Snapshotter, tmp_path: Path) -> None:
    chain = await unpack(snapshots, {"a": "1", "b": "1"}, {"b": "2", "d": None, "d/c": "2"})
    mounts = await snapshots.prepare("c", chain)
    assert run_in(mounts, tmp_path, "cat a b d/c") == "122"


async def test_a_whiteout_hides_a_file_and_a_tree(snapshots: Snapshotter, tmp_path: Path) -> None:
    chain = await unpack(
        snapshots,
        {"gone": "1", "kept": "1", "d": None, "d/gone": "1", "d/kept": "1", "t": None, "t/x": "1"},
        {".wh.gone": "", "d/.wh.gone": "", ".wh.t": ""},
    )
    assert await show(snapshots, chain, tmp_path) == {"kept": "f", "d": None, "d/kept": "f"}


async def test_an_opaque_directory_hides_only_what_is_below(
    snapshots: Snapshotter, tmp_path: Path
) -> None:
    chain = await unpack(
        snapshots,
        {"d": None, "d/old": "1", "d/sub": None, "d/sub/old": "1", "e": None, "e/kept": "1"},
        {"d": None, "d/new": "2", "d/.wh..wh..opq": "", "e": None},
    )
    assert await show(snapshots, chain, tmp_path) == {
        "d": None, "d/new": "f", "e": None, "e/kept": "f",
    }  # fmt: skip


async def test_a_directory_deleted_and_made_again_in_one_layer(
    snapshots: Snapshotter, tmp_path: Path
) -> None:
    chain = await unpack(
        snapshots, {"d": None, "d/old": "1"}, {".wh.d": "", "d": None, "d/new": "2"}
    )
    assert await show(snapshots, chain, tmp_path) == {"d": None, "d/new": "f"}


async def test_an_opaque_root_hides_everything(snapshots: Snapshotter, tmp_path: Path) -> None:
    chain = await unpack(snapshots, {"old": "1"}, {".wh..wh..opq": "", "new": "2"})
    assert await show(snapshots, chain, tmp_path) == {"new": "f"}


async def test_whiteouts_of_a_lowest_layer_mean_nothing(
    snapshots: Snapshotter, tmp_path: Path
) -> None:
    chain = await unpack(snapshots, {".wh.x": "", "d": None, "d/.wh..wh..opq": "", "d/y": "1"})
    assert await show(snapshots, chain, tmp_path) == {"d": None, "d/y": "f"}


async def test_what_a_container_writes_stays_its_own(
    snapshots: Snapshotter, tmp_path: Path
) -> None:
    chain = await unpack(snapshots, {"a": "1", "b": "1"})
    first = await snapshots.prepare("first", chain)
    second = await snapshots.prepare("second", chain)
    run_in(first, tmp_path, "rm b; echo -n changed > a; echo -n new > c")
    assert run_in(snapshots.mounts("first"), tmp_path, "cat a c; ls") == "changednewa\nc\n"
    assert run_in(second, tmp_path, "cat a b; ls") == "11a\nb\n"


async def test_what_need_not_last_can_be_mounted_again(
    snapshots: Snapshotter, tmp_path: Path
) -> None:
    chain = await unpack(snapshots, {"a": "1"})
    await snapshots.prepare("box", chain)
    async with snapshots.shown("box", lasting=False) as mounts:
        options = run_in(mounts, tmp_path, "echo -n 2 > b; grep mounted /proc/self/mounts")
    assert ("volatile" in options) is isinstance(snapshots, Overlay)
    async with snapshots.shown("box", lasting=False) as mounts:
        assert run_in(mounts, tmp_path, "cat a b") == "12"


async def test_a_layer_is_unpacked_once_for_all_who_ask(snapshots: Snapshotter) -> None:
    tar = layer({"a": "1"})
    digest = Digest.of(tar)
    opened = []

    def open_layer() -> io.BytesIO:
        opened.append(1)
        return io.BytesIO(tar)

    await asyncio.gather(*(snapshots.unpack(digest, None, digest, open_layer) for _ in range(10)))
    assert len(opened) == 1
    known = snapshots.layer(digest)
    assert known is not None
    assert (known.size, list(snapshots.layers())) == (1, [digest])


async def test_a_layer_with_another_digest_leaves_nothing(
    snapshots: Snapshotter, tmp_path: Path
) -> None:
    tar, wrong = layer({"a": "1"}), Digest.of(b"wrong")
    with pytest.raises(DigestMismatch, match=str(Digest.of(tar))):
        await snapshots.unpack(wrong, None, wrong, lambda: io.BytesIO(tar))
    assert list(snapshots.layers()) == []
    assert _left(tmp_path) == []


async def test_a_refused_layer_leaves_nothing(snapshots: Snapshotter, tmp_path: Path) -> None:
    tar = layer({"a": "1", "../b": "2"})
    with pytest.raises(UnsafeArchive):
        await snapshots.unpack(Digest.of(tar), None, Digest.of(tar), lambda: io.BytesIO(tar))
    assert list(snapshots.layers()) == []
    assert _left(tmp_path) == []


def _left(tmp_path: Path) -> list[str]:
    root = tmp_path / "snapshots"
    return [str(path) for part in ("tmp", "layers") for path in (root / part).iterdir()]


async def test_everything_is_known_again_after_a_restart(
    make: Callable[[], Snapshotter], tmp_path: Path
) -> None:
    chain = await unpack(make(), {"a": "1"}, {"b": "2"})
    await make().prepare("c", chain)
    (tmp_path / "snapshots" / "tmp" / "half" / "deep").mkdir(parents=True)
    again = make()
    await again.clean()
    assert list((tmp_path / "snapshots" / "tmp").iterdir()) == []
    assert len(list(again.layers())) == 2
    assert again.keys() == ["c"]
    assert run_in(again.mounts("c"), tmp_path, "cat a b") == "12"


async def test_a_damaged_layer_is_set_aside_and_can_be_unpacked_again(
    make: Callable[[], Snapshotter], tmp_path: Path
) -> None:
    chain = await unpack(make(), {"a": "1"})
    record = tmp_path / "snapshots" / "layers" / chain.encoded / "layer.json"
    record.write_text(json.dumps({"chain_id": "?"}))
    again = make()
    assert list(again.layers()) == []
    assert await unpack(again, {"a": "1"}) == chain
    mounts = await again.prepare("c", chain)
    assert run_in(mounts, tmp_path, "cat a") == "1"


async def test_a_snapshot_with_a_damaged_record_keeps_its_files_when_asked_for_again(
    make: Callable[[], Snapshotter], tmp_path: Path
) -> None:
    first = make()
    chain = await unpack(first, {"a": "1"})
    run_in(await first.prepare("c", chain), tmp_path, "echo -n 2 > written")
    (tmp_path / "snapshots" / "snapshots" / "c" / "snapshot.json").write_text("")
    assert run_in(await make().prepare("c", chain), tmp_path, "cat a written") == "12"
    again = make()
    assert again.keys() == ["c"]
    with pytest.raises(Conflict, match="in use by a container"):
        await again.remove_layer(chain)


async def test_a_snapshot_that_lost_its_files_is_made_anew(
    make: Callable[[], Snapshotter], tmp_path: Path
) -> None:
    (tmp_path / "snapshots" / "snapshots" / "c").mkdir(parents=True)
    snapshots = make()
    chain = await unpack(snapshots, {"a": "1"})
    assert run_in(await snapshots.prepare("c", chain), tmp_path, "cat a") == "1"


async def test_one_of_two_who_want_the_same_key_gets_it(snapshots: Snapshotter) -> None:
    chain = await unpack(snapshots, {"a": "1"})
    both = await asyncio.gather(
        snapshots.prepare("c", chain), snapshots.prepare("c", chain), return_exceptions=True
    )
    assert sum(isinstance(result, AlreadyInUse) for result in both) == 1


async def test_a_cancelled_unpack_ends_before_its_caller_does(snapshots: Snapshotter) -> None:
    """Or its thread would put the layer there later, over one that is in use by then."""
    reading, go_on = threading.Event(), threading.Event()
    data = layer({"a": "1"})
    chain = Digest.of(data)

    def open_layer() -> io.BytesIO:
        reading.set()
        go_on.wait(10)
        return io.BytesIO(data)

    unpacking = asyncio.ensure_future(snapshots.unpack(chain, None, chain, open_layer))
    await asyncio.to_thread(reading.wait, 10)
    for _ in range(2):  # the second is of somebody who is tired of waiting
        unpacking.cancel()
        await asyncio.wait({unpacking}, timeout=0.05)
        assert not unpacking.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await unpacking
    assert snapshots.layer(chain) is not None
    await snapshots.remove_layer(chain)


async def test_a_layer_is_on_the_disk_before_it_is_in_place(
    snapshots: Snapshotter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failing disk: a layer that could not be written back is not there afterwards."""

    def fail(fd: int) -> None:
        [working] = (tmp_path / "snapshots" / "tmp").iterdir()
        assert (working / "fs" / "a").read_text() == "1"
        assert os.path.samestat(os.fstat(fd), working.stat())
        raise OSError(errno.EIO, "syncfs: input/output error")

    monkeypatch.setattr("engine.snapshots.layers.syncfs", fail)
    with pytest.raises(OSError, match="syncfs"):
        await unpack(snapshots, {"a": "1"})
    assert _left(tmp_path) == []
    assert list(snapshots.layers()) == []


async def test_a_damaged_snapshot_is_set_aside_and_can_be_removed(
    make: Callable[[], Snapshotter], tmp_path: Path
) -> None:
    first = make()
    chain = await unpack(first, {"a": "1"})
    for key in ("bad", "good"):
        await first.prepare(key, chain)
    (tmp_path / "snapshots" / "snapshots" / "bad" / "snapshot.json").write_text("{")
    again = make()
    assert again.keys() == ["good"]
    await again.remove("bad")
    assert await again.prepare("bad", chain)


async def test_layers_go_from_the_top_and_only_unused(snapshots: Snapshotter) -> None:
    top = await unpack(snapshots, {"a": "1"}, {"b": "2"})
    bottom = next(chain for chain in snapshots.layers() if chain != top)
    with pytest.raises(Conflict, match="another on it"):
        await snapshots.remove_layer(bottom)
    await snapshots.prepare("c", top)
    with pytest.raises(Conflict, match="in use by a container"):
        await snapshots.remove_layer(top)
    await snapshots.remove("c")
    await snapshots.remove("c")
    await snapshots.remove_layer(top)
    await snapshots.remove_layer(bottom)
    assert list(snapshots.layers()) == []


async def test_keys_and_parents_are_checked(snapshots: Snapshotter) -> None:
    chain = await unpack(snapshots, {"a": "1"})
    await snapshots.prepare("c", chain)
    with pytest.raises(AlreadyInUse, match="snapshot c exists"):
        await snapshots.prepare("c", chain)
    with pytest.raises(NotFound, match="not unpacked"):
        await snapshots.prepare("d", Digest.of(b"none"))
    with pytest.raises(NotFound, match="no such snapshot: e"):
        snapshots.mounts("e")


async def test_an_image_without_layers_has_an_empty_root(
    snapshots: Snapshotter, tmp_path: Path
) -> None:
    mounts = await snapshots.prepare("c", None)
    assert run_in(mounts, tmp_path, "touch x; ls") == "x\n"


async def test_a_data_directory_behind_a_link(
    make: Callable[[], Snapshotter], tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "snapshots").symlink_to("elsewhere")
    snapshots = make()
    chain = await unpack(snapshots, {"d/e/a": "1"}, {"d/b": "2"})
    mounts = await snapshots.prepare("c", chain)
    assert run_in(mounts, tmp_path, "cat d/e/a d/b") == "12"


async def test_hard_links_count_once_in_usage(snapshots: Snapshotter, tmp_path: Path) -> None:
    mounts = await snapshots.prepare("c", None)
    before = snapshots.usage("c")
    run_in(mounts, tmp_path, "mkdir d; head -c 65536 /dev/zero > d/a; ln d/a d/b; ln -s a d/c")
    after = snapshots.usage("c")
    assert after.inodes - before.inodes == 3
    assert 65536 <= after.bytes - before.bytes < 2 * 65536


async def test_127_layers_fit_in_one_mount(tmp_path: Path) -> None:
    snapshots = Overlay(tmp_path / "s")
    chain = await unpack(snapshots, *({f"f{number}": "x"} for number in range(127)))
    mounts = await snapshots.prepare("c", chain)
    lower = next(option for option in mounts[0].options if option.startswith("lowerdir="))
    paths = lower.removeprefix("lowerdir=").split(":")
    assert len(paths) == 127
    assert all(os.path.isdir(path) for path in paths)
    assert max(len(os.path.basename(path)) for path in paths) < 8
