"""Images by the real CLI: import, load, list, tag, history, remove."""

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.system.conftest import IMAGE
from tests.system.daemons import ROOT, Daemon

pytestmark = pytest.mark.root


def remove(daemon: Daemon, *images: str) -> None:
    daemon.docker("rmi", "-f", *images, check=False)


@pytest.mark.parametrize("packer", [["cat"], ["gzip", "-c"], ["zstd", "-c", "-q"], ["xz", "-c"]])
def test_import_of_a_root_file_system(
    daemon: Daemon, name: str, rootfs_tar: bytes, packer: list[str]
) -> None:
    if daemon.kind == "dockerd" and packer[0] == "zstd":
        pytest.skip("dockerd 20.10 does not read zstd")
    packed = subprocess.run(packer, input=rootfs_tar, capture_output=True, check=True).stdout
    try:
        daemon.docker(
            "import",
            "-c",
            'CMD ["echo","by default"]',
            "-c",
            "ENV K=v",
            "-",
            f"{name}:x",
            input=packed,
        )
        assert daemon.docker("run", "--rm", f"{name}:x").stdout == "by default\n"
        assert daemon.docker("run", "--rm", f"{name}:x", "sh", "-c", "echo $K").stdout == "v\n"
    finally:
        remove(daemon, f"{name}:x")


def test_load_of_what_dockerd_saved(
    berth: Daemon, dockerd: Daemon, name: str, tmp_path: Path
) -> None:
    """`docker save` of the real dockerd is what people carry between hosts."""
    dockerd.docker("tag", IMAGE, f"{name}:saved")
    try:
        dockerd.docker("save", "-o", str(tmp_path / "saved.tar"), f"{name}:saved")
        done = berth.docker("load", "-i", str(tmp_path / "saved.tar"))
        assert f"Loaded image: {name}:saved" in done.stdout
        assert berth.docker("run", "--rm", f"{name}:saved", "echo", "hi").stdout == "hi\n"
        ids = {
            daemon.docker("images", "-q", "--no-trunc", f"{name}:saved").stdout
            for daemon in (dockerd, berth)
        }
        assert len(ids) == 1, "the same image has the same id on both"
    finally:
        remove(dockerd, f"{name}:saved")
        remove(berth, f"{name}:saved")


def test_tag_untag_and_delete(daemon: Daemon, name: str) -> None:
    daemon.docker("tag", IMAGE, f"{name}:one")
    daemon.docker("tag", IMAGE, f"{name}:two")
    listed = daemon.docker("images", "--format", "{{.Repository}}:{{.Tag}}", name).stdout.split()
    assert sorted(listed) == [f"{name}:one", f"{name}:two"]
    assert f"Untagged: {name}:one" in daemon.docker("rmi", f"{name}:one").stdout
    daemon.docker("rmi", f"{name}:two")
    assert daemon.docker("images", "-q", name).stdout == ""
    assert daemon.docker("images", "-q", IMAGE).stdout != ""


def test_an_image_in_use_is_not_removed(daemon: Daemon, name: str, rootfs_tar: bytes) -> None:
    extra = name + "-image"
    daemon.docker("import", "-c", f"LABEL x={name}", "-", extra, input=rootfs_tar)
    daemon.docker("create", "--name", name, extra, "true")
    try:
        done = daemon.docker("rmi", extra, check=False)
        assert done.returncode == 1
        assert "conflict" in done.stderr.lower()
        assert "must" in done.stderr
    finally:
        daemon.docker("rm", "-f", name)
        daemon.docker("rmi", extra)


def test_history_and_inspect(daemon: Daemon) -> None:
    history = daemon.docker(
        "history", "--format", "{{json .}}", "--no-trunc", IMAGE
    ).stdout.splitlines()
    assert len(history) == 1
    image = json.loads(daemon.docker("image", "inspect", IMAGE).stdout)[0]
    assert (image["Os"], image["RootFS"]["Type"]) == ("linux", "layers")
    assert IMAGE in image["RepoTags"]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("UPPER:x", "must be lowercase"),
        ("a b", "invalid reference format"),
        ("x:!", "invalid reference format"),
    ],
)
def test_a_bad_reference_is_refused(daemon: Daemon, target: str, words: str) -> None:
    done = daemon.docker("tag", IMAGE, target, check=False)
    assert done.returncode != 0
    assert words in done.stderr


@pytest.mark.parametrize("archive", [b"not a tar at all" * 100, b"\x1f\x8b\x08broken", b""])
def test_a_broken_archive_is_refused(daemon: Daemon, name: str, archive: bytes) -> None:
    before = daemon.docker("images", "-aq").stdout
    done = daemon.docker("load", input=archive, check=False)
    if daemon.kind == "berth":
        assert done.returncode != 0
        assert done.stderr.strip()
    assert daemon.docker("images", "-aq").stdout == before


def hostile(*entries: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for entry in entries:
            tar.addfile(entry, io.BytesIO(b"x" * entry.size))
    return buffer.getvalue()


def entry(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0
) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made


@pytest.mark.parametrize(
    "path",
    ["../../../../../../../../tmp/berth-escaped", "a/../../../../../../../tmp/berth-escaped"],
)
def test_an_entry_that_climbs_out_is_refused(berth: Daemon, name: str, path: str) -> None:
    done = berth.docker("import", "-", name, input=hostile(entry(path, size=1)), check=False)
    assert done.returncode != 0
    assert "berth-escaped" in done.stderr
    assert not Path("/tmp/berth-escaped").exists()
    assert berth.docker("images", "-q", name).stdout == ""


def test_an_entry_through_a_symlink_is_refused(berth: Daemon, name: str) -> None:
    archive = hostile(entry("out", tarfile.SYMTYPE, "/tmp"), entry("out/berth-escaped", size=1))
    done = berth.docker("import", "-", name, input=archive, check=False)
    assert not Path("/tmp/berth-escaped").exists()
    assert done.returncode != 0
    assert berth.docker("images", "-q", name).stdout == ""


def berth_image(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui", "image", *words],
        env=daemon.env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_an_oci_layout_goes_out_and_comes_in(berth: Daemon, name: str, tmp_path: Path) -> None:
    """The store is a layout that skopeo reads; a layout directory can be loaded."""
    berth.docker("tag", IMAGE, f"{name}:out")
    layout = f"oci:{tmp_path}/layout:{name}:in"
    store = f"oci:{berth.folder}/data/images:{name}:out"
    try:
        subprocess.run(["skopeo", "copy", "-q", store, layout], check=True, timeout=60)
        done = berth_image(berth, "load", str(tmp_path / "layout"))
        assert (done.returncode, done.stderr) == (0, "")
        assert berth.docker("run", "--rm", f"{name}:in", "echo", "hi").stdout == "hi\n"
        ids = berth.docker("images", "-q", "--no-trunc", name).stdout.split()
        assert len(set(ids)) == 1
    finally:
        remove(berth, f"{name}:out", f"{name}:in")


def test_a_root_file_system_goes_in_without_docker(
    berth: Daemon, name: str, tmp_path: Path, rootfs_tar: bytes
) -> None:
    (tmp_path / "rootfs.tar").write_bytes(rootfs_tar)
    change = 'CMD ["echo","by default"]'
    try:
        done = berth_image(berth, "import", str(tmp_path / "rootfs.tar"), f"{name}:x", "-c", change)
        assert done.returncode == 0, done.stderr
        assert berth.docker("run", "--rm", f"{name}:x").stdout == "by default\n"
    finally:
        remove(berth, f"{name}:x")


@pytest.mark.parametrize("path", [".", "nosuch.tar"])
def test_what_cannot_be_loaded_is_named(berth: Daemon, tmp_path: Path, path: str) -> None:
    done = berth_image(berth, "load", str(tmp_path / path))
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr
    assert "Traceback" not in done.stderr
