"""Hostile archives: each is refused with the entry named, and nothing is written outside."""

import io
import os
import resource
import struct
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import UnsafeArchive
from engine.snapshots.archive.extract import Extractor
from engine.snapshots.archive.reader import TarReader
from tests.unit.snapshots.conftest import Extract, make_tar, member

LINK, SYMLINK, DIRECTORY = tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE
CHARACTER = tarfile.CHRTYPE


@pytest.fixture(autouse=True)
def nothing_outside(tmp_path: Path, inside: Path) -> Iterator[None]:
    """A file beside the root must stay as it is, and alone."""
    witness = tmp_path / "jail" / "witness"
    witness.write_text("untouched")
    before = (witness.stat().st_ino, witness.stat().st_nlink, witness.stat().st_mode)
    yield
    assert witness.read_text() == "untouched"
    assert (witness.stat().st_ino, witness.stat().st_nlink, witness.stat().st_mode) == before
    assert sorted(path.name for path in (tmp_path / "jail").iterdir()) == ["root", "witness"]


def _pax(name: str, **headers: str) -> tarfile.TarInfo:
    info = member(name)
    info.pax_headers = {key.replace("_", "."): value for key, value in headers.items()}
    return info


HOSTILE = {
    "climbs": (make_tar((member("../escaped"), b"x")), r"'\.\./escaped'.*'\.\.'"),
    "climbs in the middle": (make_tar((member("a/../../escaped"), b"x")), "would leave"),
    "climbs at the end": (make_tar(member("a/..", DIRECTORY)), "would leave"),
    "absolute and climbing": (make_tar((member("/../escaped"), b"x")), "would leave"),
    "climbs by a pax path": (make_tar((_pax("x", path="../escaped"), b"x")), "would leave"),
    "file through a symlink": (
        make_tar(member("l", SYMLINK, linkname=".."), (member("l/escaped"), b"x")),
        "through the symbolic link 'l'",
    ),
    "directory through an absolute symlink": (
        make_tar(member("l", SYMLINK, linkname="/tmp"), member("l/escaped", DIRECTORY)),
        "through the symbolic link 'l'",
    ),
    "through a link to a link": (
        make_tar(
            member("a", SYMLINK, linkname=".."),
            member("b", SYMLINK, linkname="a"),
            (member("b/escaped"), b"x"),
        ),
        "through the symbolic link 'a', which leads out",
    ),
    "through a link that climbs and comes back": (
        make_tar(member("l", SYMLINK, linkname="../root/d"), (member("l/x"), b"x")),
        "through the symbolic link 'l', which leads out",
    ),
    "through a link whose own way is shorter than it looks": (
        make_tar(
            member("here", SYMLINK, linkname="."),
            member("l", SYMLINK, linkname="here/.."),
            (member("l/witness"), b"overwritten"),
        ),
        "through the symbolic link 'here', which leads out",
    ),
    "through links in a circle": (
        make_tar(
            member("a", SYMLINK, linkname="b"),
            member("b", SYMLINK, linkname="a"),
            (member("a/x"), b"x"),
        ),
        "through the symbolic link",
    ),
    "through a link to a file": (
        make_tar((member("f"), b"x"), member("l", SYMLINK, linkname="f"), (member("l/x"), b"x")),
        "through the file 'f'",
    ),
    "through a directory that became a symlink": (
        make_tar(
            member("d", DIRECTORY, mode=0o755),
            (member("d/first"), b"x"),
            member("d", SYMLINK, linkname=".."),
            (member("d/escaped"), b"x"),
        ),
        "through the symbolic link 'd'",
    ),
    "whiteout through a symlink": (
        make_tar(member("l", SYMLINK, linkname=".."), member("l/.wh.witness")),
        "through the symbolic link 'l'",
    ),
    "opaque through a symlink": (
        make_tar(member("l", SYMLINK, linkname=".."), member("l/.wh..wh..opq")),
        "through the symbolic link 'l'",
    ),
    "hard link outside": (
        make_tar(member("h", LINK, linkname="../witness")),
        "hard link 'h' to '../witness'",
    ),
    "hard link through a symlink": (
        make_tar(
            member("l", SYMLINK, linkname=".."),
            member("h", LINK, linkname="l/witness"),
            (member("h"), b"overwritten"),
        ),
        "through the symbolic link 'l'",
    ),
    "hard link to nothing": (make_tar(member("h", LINK, linkname="none")), "'none' is not in"),
    "hard link to a directory": (
        make_tar(member("d", DIRECTORY), member("h", LINK, linkname="d")),
        "'d' is not in",
    ),
    "hard link to the root": (make_tar(member("h", LINK, linkname="/")), "is not in"),
    "hard link to a deleted name": (
        make_tar(member(".wh.x"), member("h", LINK, linkname="x")),
        "'x' is not in",
    ),
    "inside a file": (make_tar((member("f"), b"x"), (member("f/g"), b"x")), "the file 'f'"),
    "root as a file": (make_tar((member("."), b"x")), "can only be a directory"),
    "root as a symlink": (make_tar(member("/", SYMLINK, linkname="/etc")), "only be a directory"),
    "whiteout of the parent": (make_tar(member(".wh...")), "a whiteout without a name"),
    "whiteout of the place itself": (make_tar(member("a/.wh..")), "a whiteout without a name"),
    "whiteout of nothing": (make_tar(member(".wh.")), "a whiteout without a name"),
    "whiteout that holds a file": (
        make_tar((member(".wh.a/b"), b"x")),
        "a whiteout cannot hold anything",
    ),
    "NUL in a pax path": (make_tar((_pax("x", path="a\0b"), b"x")), "NUL"),
    "NUL in an attribute": (
        make_tar((_pax("x", **{"SCHILY_xattr_user_a\0b": "v"}), b"x")),
        "NUL",
    ),
    "a path over the limit": (make_tar((member("d/" * 2100 + "f"), b"x")), "longer than 4095"),
    "a component over the limit": (make_tar((member("c" * 256), b"x")), "over 255 bytes"),
    "a symlink to nowhere": (make_tar(member("l", SYMLINK)), "to nowhere"),
    "a symlink too long": (make_tar(member("l", SYMLINK, linkname="t" * 5000)), "entry 'l'"),
    "a whiteout by hand": (make_tar(member("x", CHARACTER)), "device 0:0 is not allowed"),
    "an unknown type": (make_tar(member("x", b"Z")), "unknown type b'Z'"),
    "an owner out of range": (make_tar(_pax("x", uid="4294967295")), "uid 4294967295"),
    "a negative owner": (make_tar(_pax("x", gid="-1")), "gid -1"),
    "a negative size": (make_tar(_pax("x", size="-1")), "impossible size"),
    "a size that is no number": (make_tar(_pax("x", size="9" * 5000)), "is not a number"),
    "a text": (b"hello, world\n" * 100, "not a tar archive"),
    "zeros and ones": (b"\x01" * 10240, "not a tar archive"),
    "a giant size, no data": (
        make_tar(_pax("giant", size=str(1 << 60)))[:1536] + b"x" * 512,
        "cut short",
    ),
    "a giant sparse file": (
        make_tar(_pax("s", GNU_sparse_size=str((1 << 63) - 1), GNU_sparse_map="0,0")),
        "File too large|entry 's'",
    ),
    "a sparse map over the end": (
        make_tar((_pax("s", GNU_sparse_size="10", GNU_sparse_map="0,20"), b"x" * 20)),
        "map is out of order",
    ),
    "a sparse map that overlaps": (
        make_tar((_pax("s", GNU_sparse_size="100", GNU_sparse_map="0,20,10,20"), b"x" * 40)),
        "map is out of order",
    ),
    "a sparse map without its data": (
        make_tar((_pax("s", GNU_sparse_size="100", GNU_sparse_map="0,20"), b"x")),
        "does not fit its data",
    ),
    "an endless sparse map": (
        make_tar(
            (_pax("s", GNU_sparse_major="1", GNU_sparse_realsize="9"), b"9999999\n" + b"1\n" * 252)
        ),
        "too many pieces",
    ),
    "a long name of a gigabyte": (
        make_tar(member("././@LongLink", b"L"))[:124]
        + b"10000000000\0"
        + make_tar(member("././@LongLink", b"L"))[136:],
        "not a tar archive|too large",
    ),
}


def _headers(kind: bytes, count: int) -> bytes:
    """Extension headers of half a mebibyte, each with a key of its own."""
    whole = b""
    for number in range(count):
        record = b"k%04d=" % number + b"v" * (1 << 19) + b"\n"
        data = b"%d " % (len(record) + 7) + record
        info = member("x", kind)
        info.size = len(data)
        whole += info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)
    return whole


@pytest.mark.parametrize("kind", [b"g", b"x", b"K"])
def test_extension_headers_do_not_add_up(extract: Extract, kind: bytes) -> None:
    with pytest.raises(UnsafeArchive, match="too large"):
        extract(_headers(kind, 3))


def test_a_link_is_no_longer_than_the_kernel_takes(extract: Extract) -> None:
    with pytest.raises(UnsafeArchive, match="its link is over 4095 bytes"):
        extract(make_tar(member("l", SYMLINK, linkname="x" * 4096)))


@pytest.mark.root
@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_and_named(name: str, extract: Extract) -> None:
    data, words = HOSTILE[name]
    with pytest.raises(UnsafeArchive, match=words):
        extract(data)


def test_a_cut_archive_is_refused_wherever_it_is_cut(extract: Extract) -> None:
    whole = make_tar((member("a"), b"x" * 700), (member("b" * 150), b"y" * 700))
    ends = {512, 512 * 3, 512 * 5, 512 * 6}
    for cut in [*range(1, 512 * 8, 97), 511, 513, 1024]:
        if cut in ends:
            continue
        with pytest.raises(UnsafeArchive):
            extract(whole[:cut])


@pytest.mark.root
def test_symlinks_that_point_outside_are_only_text(inside: Path, extract: Extract) -> None:
    extract(
        make_tar(
            member("up", SYMLINK, linkname="../witness", uid=9, mode=0o777, mtime=1),
            member("abs", SYMLINK, linkname="/etc/passwd"),
            (member("up"), b"replaced"),
        )
    )
    assert (inside / "up").read_bytes() == b"replaced"
    assert os.readlink(inside / "abs") == "/etc/passwd"


@pytest.mark.root
def test_a_hard_link_to_a_symlink_links_the_symlink(inside: Path, extract: Extract) -> None:
    extract(make_tar(member("l", SYMLINK, linkname="../witness"), member("h", LINK, linkname="l")))
    assert os.readlink(inside / "h") == "../witness"


@pytest.mark.root
def test_memory_stays_small_for_a_large_archive(inside: Path) -> None:
    """512 MiB of one file and 20,000 entries of nothing, made up as they are read."""
    large = member("large")
    large.size = 512 << 20
    header = large.tobuf(tarfile.GNU_FORMAT)
    small = [member(f"d/{n}").tobuf(tarfile.GNU_FORMAT) for n in range(20_000)]
    pieces = iter([header, *[bytes(1 << 20)] * 512, *small, bytes(1024)])

    class Stream:
        def read(self, _size: int) -> bytes:
            return next(pieces, b"")

        def close(self) -> None: ...

    root = os.open(inside, os.O_RDONLY)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tar = TarReader(Stream())
    count = sum(1 for _ in tar)
    os.close(root)
    assert count == 20_001
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10  # kibibytes


_FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(st.data())
@_FUZZ
def test_damaged_headers_never_do_anything_else(inside: Path, data: st.DataObject) -> None:
    """Any bytes changed in a good tar, with checksums made right again: unpacked or refused."""
    whole = bytearray(
        make_tar(
            member("d", DIRECTORY, mode=0o755),
            (member("d/" + "f" * 120), b"content"),
            member("s", SYMLINK, linkname="d"),
            member("h", LINK, linkname="d/x"),
        )
    )
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    for start in range(0, len(whole), 512):
        block = whole[start : start + 512]
        if block[257:262] == b"ustar":
            blank = block[:148] + b" " * 8 + block[156:]
            whole[start + 148 : start + 156] = b"%06o\0 " % sum(blank)
    _extract_or_refuse(inside, bytes(whole))


@given(st.binary(max_size=4096))
@_FUZZ
def test_any_bytes_are_refused_or_empty(inside: Path, data: bytes) -> None:
    _extract_or_refuse(inside, data)


def _extract_or_refuse(inside: Path, data: bytes) -> None:
    target = Path(tempfile.mkdtemp(dir=inside))
    root = os.open(target, os.O_RDONLY)
    try:
        Extractor(root, marks=True).run(TarReader(io.BytesIO(data)))
    except UnsafeArchive:
        pass
    finally:
        os.close(root)


@given(
    st.dictionaries(
        st.from_regex(r"\A[a-zé]{1,40}(/[a-z.]{2,90}){0,3}\Z").filter(
            lambda name: ".." not in name.split("/")
        ),
        st.binary(max_size=2000),
        max_size=6,
    ),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
@_FUZZ
def test_entries_are_read_as_tarfile_wrote_them(files: dict[str, bytes], form: int) -> None:
    infos = [(member(name, uid=n, mtime=n), data) for n, (name, data) in enumerate(files.items())]
    tar = TarReader(io.BytesIO(make_tar(*infos, form=form)))
    read = {entry.name: (entry.uid, b"".join(map(bytes, tar.data()))) for entry in tar}
    assert read == {name: (n, data) for n, (name, data) in enumerate(files.items())}
    assert tar.ended


def test_numbers_of_header_fields() -> None:
    from engine.snapshots.archive.header import number

    assert number(b"0000644\0") == 0o644
    assert number(b"  644 \0\0") == 0o644
    assert number(b"\0" * 8) == 0
    assert number(b"\x80" + struct.pack(">Q", 1 << 40)[1:]) == 1 << 40
    assert number(b"\xff" * 12) == -1
    with pytest.raises(UnsafeArchive):
        number(b"12x45678")
