"""What GNU tar packs, we unpack the same: every kind of entry, in every format."""

import hashlib
import io
import os
import stat
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import Forbidden
from engine.snapshots.archive.extract import Extractor
from engine.snapshots.archive.reader import TarReader
from tests.conftest import SLOWDOWN
from tests.unit.snapshots.conftest import Extract, listing, make_tar, member

pytestmark = pytest.mark.root


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A tree with one of everything that a layer may hold."""
    root = tmp_path / "source"
    (root / "dir" / ("n" * 120) / ("m" * 120)).mkdir(parents=True)
    (root / "dir" / "file").write_bytes(b"content" * 100_000)
    (root / "dir" / ("n" * 120) / ("m" * 120) / "deep").write_text("deep")
    (root / "empty").touch()
    (root / "suid").write_text("x")
    os.chown(root / "suid", 1234, 4321)
    (root / "suid").chmod(0o6755)
    (root / "link").symlink_to("dir/file")
    (root / "long").symlink_to("/" + "t" * 200)
    os.link(root / "dir" / "file", root / "hard")
    os.mkfifo(root / "fifo", 0o640)
    os.mknod(root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(root / "loop", stat.S_IFBLK | 0o660, os.makedev(7, 1))
    (root / "ünïcödé").write_text("x")
    (root / os.fsdecode(b"latin-\xe9")).write_text("x")
    (root / "sticky").mkdir()
    (root / "sticky").chmod(0o1777)
    _sparse(root / "sparse")
    os.utime(root / "empty", ns=(1, 1_234_567_890_123_456_789))
    os.utime(root / "dir", ns=(1, 1_000_000_000))
    return root


def _sparse(path: Path) -> None:
    """Data at the start, in the middle and a hole at the end; more pieces than one header has."""
    with path.open("wb") as file:
        for number in range(40):
            file.seek(number << 16)
            file.write(b"%d" % number * 3000)
        file.truncate(64 << 16)
        os.fsync(file.fileno())  # tar asks the file system where the holes are


def _tar(source: Path, *options: str) -> bytes:
    command = ["tar", "-C", str(source), *options, "-c", "."]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def _described(root: Path, *, nanoseconds: bool) -> dict[str, object]:
    links: dict[int, str] = {}
    found: dict[str, object] = {}
    for path in [root, *sorted(root.rglob("*"))]:
        name = str(path.relative_to(root))
        status = path.lstat()
        time = status.st_mtime_ns if nanoseconds else status.st_mtime_ns // 10**9
        content = ""
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        first = links.setdefault(status.st_ino, name)
        owner = (status.st_uid, status.st_gid)
        attributes = {
            key: os.getxattr(path, key, follow_symlinks=False)
            for key in os.listxattr(path, follow_symlinks=False)
        }
        found[name] = (status.st_mode, owner, status.st_rdev, time, content, first, attributes)
    return found


@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_a_tree_of_everything_comes_out_as_it_went_in(
    source: Path, inside: Path, extract: Extract, form: str
) -> None:
    nanoseconds = form == "pax"
    attributes = ("--xattrs", "--xattrs-include=*") if form == "pax" else ()
    if attributes:
        os.setxattr(source / "dir", "user.note", b"on a directory")
        os.setxattr(source / "link", "trusted.note", b"on a link", follow_symlinks=False)
    extractor = extract(_tar(source, f"--format={form}", "--sparse", *attributes))
    expected = _described(source, nanoseconds=nanoseconds)
    assert _described(inside, nanoseconds=nanoseconds) == expected
    assert extractor.entries == len(expected)


@pytest.mark.parametrize(
    "options",
    [
        ("--format=gnu",),
        ("--format=pax", "--sparse-version=0.0"),
        ("--format=pax", "--sparse-version=0.1"),
        ("--format=pax", "--sparse-version=1.0"),
    ],
)
def test_every_sparse_form_keeps_data_and_holes(
    tmp_path: Path, inside: Path, extract: Extract, options: tuple[str, ...]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    _sparse(source / "sparse")
    extract(_tar(source, "--sparse", *options))
    assert (inside / "sparse").read_bytes() == (source / "sparse").read_bytes()
    assert (inside / "sparse").stat().st_blocks <= (source / "sparse").stat().st_blocks


@pytest.mark.parametrize("form", ["v7", "oldgnu", "ustar"])
def test_older_formats(tmp_path: Path, inside: Path, extract: Extract, form: str) -> None:
    source = tmp_path / "source"
    (source / "dir").mkdir(parents=True)
    (source / "dir" / "file").write_text("x")
    extract(_tar(source, f"--format={form}"))
    assert listing(inside) == ["dir", "dir/file"]
    assert (inside / "dir").is_dir()


def test_attributes_and_capabilities_survive_the_change_of_owner(
    inside: Path, extract: Extract
) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    info = member("ping", uid=5, gid=6, mode=0o755)
    info.pax_headers = {
        "SCHILY.xattr.security.capability": capability.decode("utf-8", "surrogateescape"),
        "SCHILY.xattr.trusted.overlay.redirect": "/etc",
        "SCHILY.xattr.trusted.mine": "yes",
    }
    extract(make_tar((info, b"x")))
    assert os.getxattr(inside / "ping", "security.capability") == capability
    assert "trusted.overlay.redirect" not in os.listxattr(inside / "ping")
    assert os.getxattr(inside / "ping", "trusted.mine") == b"yes"


def test_big_numbers_in_base_256(inside: Path, extract: Extract) -> None:
    info = member("file", uid=3_000_000_000, gid=2**31, mtime=-5)
    extract(make_tar((info, b"x"), form=tarfile.GNU_FORMAT))
    status = (inside / "file").stat()
    assert (status.st_uid, status.st_gid, status.st_mtime) == (3_000_000_000, 2**31, -5)


def test_the_last_entry_of_a_name_wins(inside: Path, extract: Extract) -> None:
    directory, symlink = tarfile.DIRTYPE, tarfile.SYMTYPE
    extract(
        make_tar(
            (member("a"), b"1"),
            (member("a"), b"22"),
            member("b", directory, mode=0o755),
            (member("b/inner"), b"x"),
            member("b", symlink, linkname="a"),
            member("c", symlink, linkname="/etc"),
            member("c", directory, mode=0o700),
            (member("c/inner"), b"x"),
            member("d", directory, mode=0o700),
            (member("d/inner"), b"x"),
            (member("d"), b"file"),
        )
    )
    assert (inside / "a").read_bytes() == b"22"
    assert os.readlink(inside / "b") == "a"
    assert listing(inside / "c") == ["inner"]
    assert (inside / "d").read_bytes() == b"file"


def test_parents_that_the_archive_leaves_out_are_made(inside: Path, extract: Extract) -> None:
    extract(make_tar((member("a/b/c"), b"x")))
    assert stat.S_IMODE((inside / "a" / "b").stat().st_mode) == 0o755


def test_entries_through_a_link_that_stays_inside_land_where_it_leads(
    inside: Path, extract: Extract
) -> None:
    """Merged-usr trees put together from packages: `lib -> usr/lib`, then `lib/x`."""
    symlink, directory = tarfile.SYMTYPE, tarfile.DIRTYPE
    extractor = extract(
        make_tar(
            member("lib", symlink, linkname="usr/lib"),
            (member("lib/first"), b"made with its directory"),
            member("usr/lib", directory, mode=0o751),
            member("usr/lib64", symlink, linkname="../lib"),
            (member("usr/lib64/second"), b"2"),
            member("lib/deep", directory, mode=0o700, mtime=1_000_000_000),
            (member("lib/deep/f"), b"x"),
            member("hard", tarfile.LNKTYPE, linkname="lib/second"),
            member("lib/.wh.gone"),
            member("usr/lib64/deep/.wh..wh..opq"),
            (member("lib/first"), b"again"),
        )
    )
    assert os.readlink(inside / "lib") == "usr/lib"
    assert stat.S_IMODE((inside / "usr" / "lib").stat().st_mode) == 0o751
    assert listing(inside / "usr" / "lib") == ["deep", "deep/f", "first", "gone", "second"]
    assert (inside / "usr" / "lib" / "first").read_bytes() == b"again"
    assert (inside / "hard").samefile(inside / "usr" / "lib" / "second")
    assert _is_mark(inside / "usr" / "lib" / "gone")
    assert _is_opaque(inside / "usr" / "lib" / "deep")
    assert (inside / "usr" / "lib" / "deep").stat().st_mtime == 1_000_000_000
    assert extractor.entries == 11


def test_a_directory_that_became_a_link_takes_no_stale_descriptor(
    inside: Path, extract: Extract
) -> None:
    symlink, directory = tarfile.SYMTYPE, tarfile.DIRTYPE
    extract(
        make_tar(
            member("a", directory, mode=0o755),
            (member("a/old"), b"x"),
            member("b", directory, mode=0o755),
            member("a", symlink, linkname="b"),
            (member("a/new"), b"x"),
        )
    )
    assert listing(inside) == ["a", "b", "b/new"]


def test_a_leading_slash_is_the_archives_own_root(inside: Path, extract: Extract) -> None:
    extract(make_tar((member("/etc/x"), b"x"), member("y", tarfile.LNKTYPE, linkname="/etc/x")))
    assert (inside / "y").samefile(inside / "etc" / "x")


def test_thousands_of_directories_need_few_descriptors(inside: Path, extract: Extract) -> None:
    entries = [(member(f"{n % 700}/{n}/file"), b"x") for n in range(1500)]
    extract(make_tar(*entries))
    assert sum(1 for _ in inside.glob("*/*/file")) == 1500


def test_the_deepest_path_that_the_kernel_takes(inside: Path, extract: Extract) -> None:
    """Without a look at each of them for each of them."""
    began = time.process_time()
    extract(make_tar((member("d/" * 2040 + "f"), b"x")))
    assert time.process_time() - began < 2 * SLOWDOWN


def test_a_link_past_what_is_not_there_is_followed(inside: Path, extract: Extract) -> None:
    extract(
        make_tar(
            member("e", tarfile.DIRTYPE, mode=0o755),
            member("d", tarfile.SYMTYPE, linkname="e"),
            member("l", tarfile.SYMTYPE, linkname="gone/deep/../../d"),
            (member("l/x"), b"x"),
        )
    )
    assert (inside / "e/x").read_bytes() == b"x"


Whiteout = Callable[[Path], bool]


def _is_mark(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _is_opaque(path: Path) -> bool:
    return "trusted.overlay.opaque" in os.listxattr(path)


def test_whiteouts_become_the_kernels_marks(inside: Path, extract: Extract) -> None:
    extractor = extract(
        make_tar(
            member("dir", tarfile.DIRTYPE, mode=0o755),
            member("dir/.wh.gone"),
            member("opaque", tarfile.DIRTYPE, mode=0o755),
            member("opaque/.wh..wh..opq"),
            member(".wh..wh.plnk"),
            member("implicit/.wh.x"),
        )
    )
    assert _is_mark(inside / "dir" / "gone")
    assert _is_opaque(inside / "opaque")
    assert _is_mark(inside / "implicit" / "x")
    assert listing(inside) == ["dir", "dir/gone", "implicit", "implicit/x", "opaque"]
    assert not extractor.opaque


def test_a_whiteout_and_an_entry_of_one_name_in_either_order(
    inside: Path, extract: Extract
) -> None:
    extract(
        make_tar(
            (member("before"), b"x"),
            member(".wh.before"),
            member(".wh.after"),
            (member("after"), b"x"),
            member(".wh.dir"),
            (member("dir/file"), b"x"),
            member("late", tarfile.DIRTYPE, mode=0o755),
            member(".wh.late"),
        )
    )
    assert (inside / "before").read_bytes() == (inside / "after").read_bytes() == b"x"
    assert _is_opaque(inside / "dir")
    assert _is_opaque(inside / "late")


def test_a_root_that_hides_everything_is_told(extract: Extract) -> None:
    assert extract(make_tar(member(".wh..wh..opq"))).opaque


def test_without_the_right_to_give_files_away_it_says_what_to_do(inside: Path) -> None:
    """Another user's engine cannot keep owners; the message must name the file and the way out."""
    os.chown(inside, 65534, 65534)
    root = os.open(inside, os.O_RDONLY | os.O_DIRECTORY)
    tar = TarReader(io.BytesIO(make_tar((member("file"), b"x"))))
    os.seteuid(65534)
    try:
        with pytest.raises(Forbidden, match=r"cannot unpack .*run the engine as root"):
            Extractor(root, marks=True).run(tar)
    finally:
        os.seteuid(0)
        os.close(root)
