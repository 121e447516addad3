"""The log writer alone: records, partial lines, rotation, a disk that is full."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.runtime.monitor.log import LINE_LIMIT, LogWriter

COMPLAINTS: list[str] = []


def writer(path: Path, max_bytes: int = 0, max_files: int = 1) -> LogWriter:
    COMPLAINTS.clear()
    return LogWriter(str(path), max_bytes, max_files, COMPLAINTS.append)


def records(path: Path) -> list[tuple[bytes, bytes, bytes]]:
    """(stream, tag, message) of every line."""
    split = [line.split(b" ", 3) for line in path.read_bytes().split(b"\n")[:-1]]
    return [(stream, tag, message) for _, stream, tag, message in split]


def test_the_time_is_rfc3339_with_nanoseconds(tmp_path: Path) -> None:
    log = writer(tmp_path / "log")
    log.write(b"stdout", b"x\n")
    stamp = (tmp_path / "log").read_bytes().split()[0].decode()
    assert len(stamp) == len("2026-01-02T03:04:05.000000006Z")
    assert stamp[10] == "T" and stamp[19] == "." and stamp[-1] == "Z"
    log.close()


def test_lines_and_empty_lines(tmp_path: Path) -> None:
    log = writer(tmp_path / "log")
    log.write(b"stdout", b"a\n\nb\n")
    log.close()
    assert [each[2] for each in records(tmp_path / "log")] == [b"a", b"", b"b"]


def test_an_unfinished_line_waits_for_its_rest(tmp_path: Path) -> None:
    log = writer(tmp_path / "log")
    log.write(b"stdout", b"hal")
    assert log.unfinished
    log.write(b"stdout", b"f\n")
    log.close()
    assert records(tmp_path / "log") == [(b"stdout", b"F", b"half")]


def test_streams_do_not_mix_in_a_line(tmp_path: Path) -> None:
    log = writer(tmp_path / "log")
    log.write(b"stdout", b"o")
    log.write(b"stderr", b"e\n")
    log.write(b"stdout", b"ut\n")
    log.close()
    assert records(tmp_path / "log") == [(b"stderr", b"F", b"e"), (b"stdout", b"F", b"out")]


def test_a_long_line_is_cut_at_the_limit(tmp_path: Path) -> None:
    log = writer(tmp_path / "log")
    log.write(b"stdout", b"x" * (2 * LINE_LIMIT + 5) + b"\nshort\n")
    log.close()
    got = [(tag, len(message)) for _, tag, message in records(tmp_path / "log")]
    assert got == [(b"P", LINE_LIMIT), (b"P", LINE_LIMIT), (b"F", 5), (b"F", 5)]


def test_a_line_of_exactly_the_limit_is_whole(tmp_path: Path) -> None:
    log = writer(tmp_path / "log")
    log.write(b"stdout", b"x" * LINE_LIMIT + b"\n")
    log.close()
    assert [(tag, len(m)) for _, tag, m in records(tmp_path / "log")] == [(b"F", LINE_LIMIT)]


def test_an_endless_line_is_not_kept_in_memory(tmp_path: Path) -> None:
    log = writer(tmp_path / "log")
    for _ in range(10):
        log.write(b"stdout", b"x" * 10_000)
    assert sum(len(message) for *_, message in records(tmp_path / "log")) > 80_000
    log.close()
    assert sum(len(message) for *_, message in records(tmp_path / "log")) == 100_000


_PIECES = st.lists(
    st.lists(st.sampled_from([b"\n", b"ab", b"c" * 9000, b"", b"d\n"]), max_size=6).map(b"".join),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(pieces=_PIECES, max_bytes=st.sampled_from([0, 100, 20_000]))
def test_nothing_is_lost_whatever_the_pieces(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], max_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    log = writer(path, max_bytes, 5000)
    for piece in pieces:
        log.write(b"stdout", piece)
    log.close()
    numbered = sorted(path.parent.glob("log.*"), key=lambda each: -int(each.suffix[1:]))
    text = b""
    for file in [*numbered, path]:
        text += b"".join(m + (b"\n" if tag == b"F" else b"") for _, tag, m in records(file))
    assert text == b"".join(pieces)


def test_rotation_leaves_whole_records_within_the_size(tmp_path: Path) -> None:
    log = writer(tmp_path / "log", 1000, 3)
    log.write(b"stdout", b"".join(b"line %d\n" % n for n in range(500)))
    log.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    assert all(each.stat().st_size <= 1000 for each in tmp_path.iterdir())
    last = [each[2] for name in ("log.2", "log.1", "log") for each in records(tmp_path / name)]
    assert last == [b"line %d" % n for n in range(500 - len(last), 500)]


def test_one_file_starts_anew(tmp_path: Path) -> None:
    log = writer(tmp_path / "log", 200, 1)
    log.write(b"stdout", b"".join(b"line %d\n" % n for n in range(50)))
    log.close()
    assert [each.name for each in tmp_path.iterdir()] == ["log"]
    assert records(tmp_path / "log")[-1][2] == b"line 49"


def test_a_record_torn_by_a_crash_does_not_spoil_the_next(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"2026-01-02T03:04:05.000000006Z stdout F tor")
    log = writer(tmp_path / "log")
    log.write(b"stdout", b"whole\n")
    log.close()
    assert records(tmp_path / "log")[-1] == (b"stdout", b"F", b"whole")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a small file system here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.root
def test_a_full_disk_is_said_once_and_survived(small_disk: Path) -> None:
    log = writer(small_disk / "log")
    (small_disk / "other").write_bytes(b"x" * 40_000)
    for number in range(4):
        log.write(b"stdout", b"%d " % number + b"y" * 9000 + b"\n")
    assert len(COMPLAINTS) == 1 and "output is being lost" in COMPLAINTS[0]
    (small_disk / "other").unlink()
    log.write(b"stdout", b"again\n")
    log.close()
    assert "writing again" in COMPLAINTS[1]
    assert records(small_disk / "log")[-1] == (b"stdout", b"F", b"again")
    assert {tag for _, tag, _ in records(small_disk / "log")} == {b"F"}
