"""CRI log files: joining, reading backwards, rotation, and what is not a log line."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.containers import logfile, logline, logseek
from engine.containers.logfile import Tailer, read_log
from engine.containers.logline import parse, parse_time
from engine.containers.model import LogEntry

SECOND = 1_000_000_000
EPOCH = 1_700_000_000


def line(number: int, text: str, stream: str = "stdout", tag: str = "F") -> str:
    return f"2023-11-14T22:13:{20 + number:02}.{number:09}Z {stream} {tag} {text}\n"


def at(number: int) -> int:
    return (EPOCH + number) * SECOND + number


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "container.log"


def texts(entries: Iterable[LogEntry]) -> list[str]:
    return [entry.data.decode() for entry in entries]


def test_a_line_becomes_an_entry(path: Path) -> None:
    path.write_text(line(1, "hello  world ") + line(2, "", "stderr"))
    assert list(read_log(path)) == [
        LogEntry(at(1), 1, b"hello  world \n"),
        LogEntry(at(2), 2, b"\n"),
    ]


def test_parts_are_joined_per_stream_and_keep_the_first_time(path: Path) -> None:
    path.write_text(
        line(1, "a", tag="P") + line(2, "err", "stderr") + line(3, "b", tag="P") + line(4, "c")
    )
    assert list(read_log(path)) == [
        LogEntry(at(2), 2, b"err\n"),
        LogEntry(at(1), 1, b"abc\n"),
    ]


def test_what_never_got_its_newline_comes_last(path: Path) -> None:
    path.write_text(line(1, "whole") + line(2, "half", tag="P"))
    assert texts(read_log(path)) == ["whole\n", "half"]


def test_endless_parts_are_handed_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logline, "LONGEST", 4)
    path.write_text("".join(line(n, "xx", tag="P") for n in range(1, 6)))
    assert texts(read_log(path)) == ["xxxx", "xxxx", "xx"]


def test_torn_and_foreign_lines_are_passed_over(path: Path) -> None:
    path.write_text("rubbish\n\n" + line(1, "good") + "2023-11-14T22 stdout F x\n" + line(2, "too"))
    assert texts(read_log(path)) == ["good\n", "too\n"]


def test_bounds_in_time(path: Path) -> None:
    path.write_text("".join(line(n, str(n)) for n in range(1, 10)))
    assert texts(read_log(path, since_ns=at(4), until_ns=at(6))) == ["4\n", "5\n", "6\n"]


def test_no_file_is_no_log(path: Path) -> None:
    assert list(read_log(path)) == []
    assert list(read_log(path, tail=3)) == []


def test_rotated_files_are_read_oldest_first(path: Path) -> None:
    for number, suffix in enumerate((".10", ".2", ".1", ""), start=1):
        Path(f"{path}{suffix}").write_text(line(number, suffix or "current"))
    assert texts(read_log(path)) == [".10\n", ".2\n", ".1\n", "current\n"]
    assert texts(read_log(path, tail=2)) == [".1\n", "current\n"]


@pytest.mark.parametrize("wanted", [0, 1, 2, 7, 99])
def test_tail(path: Path, wanted: int) -> None:
    path.write_text("".join(line(n, str(n)) for n in range(1, 8)))
    expected = [f"{n}\n" for n in range(1, 8)]
    assert texts(read_log(path, tail=wanted)) == expected[max(7 - wanted, 0) :]


def test_tail_counts_a_line_in_parts_once(path: Path) -> None:
    path.write_text(line(1, "first") + line(2, "a", tag="P") + line(3, "b") + line(4, "c", tag="P"))
    assert texts(read_log(path, tail=2)) == ["ab\n", "c"]


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 90), min_size=1, max_size=40),
    tail=st.integers(0, 45),
    chunk=st.integers(1, 200),
)
def test_tail_is_the_end_of_everything(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], tail: int, chunk: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    path.write_text("".join(line(n % 39, "x" * length) for n, length in enumerate(lengths)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logfile, "CHUNK", chunk)
        patch.setattr(logseek, "CHUNK", chunk)
        everything = texts(read_log(path))
        assert texts(read_log(path, tail=tail)) == (everything[-tail:] if tail else [])


@pytest.mark.parametrize("since", [1, 2, 17, 29, 30, 99])
@pytest.mark.parametrize("chunk", [1, 40, 500, 100_000])
def test_since_finds_its_place(
    path: Path, monkeypatch: pytest.MonkeyPatch, since: int, chunk: int
) -> None:
    monkeypatch.setattr(logseek, "CHUNK", chunk)
    for first, suffix in ((1, ".1"), (16, "")):
        Path(f"{path}{suffix}").write_text(
            "".join(line(n, "x" * n) for n in range(first, first + 15))
        )
    assert texts(read_log(path, since_ns=at(since))) == ["x" * n + "\n" for n in range(since, 31)]


def test_following_survives_rotations(path: Path) -> None:
    path.write_text(line(1, "1"))
    with Tailer(path) as tailer:
        assert _contents(tailer) == [b"1"]
        assert _contents(tailer) == []
        with path.open("a") as file:
            file.write(line(2, "2"))
        _rotate(path, line(3, "3"))
        _rotate(path, line(4, "4"))
        assert _contents(tailer) == [b"2", b"3", b"4"]
        with path.open("a") as file:
            file.write(line(5, "5"))
        assert _contents(tailer) == [b"5"]


def test_following_begins_before_there_is_a_file(path: Path) -> None:
    with Tailer(path) as tailer:
        assert _contents(tailer) == []
        path.write_text(line(1, "1"))
        assert _contents(tailer) == [b"1"]


def test_a_line_that_is_written_in_two_goes_is_one(path: Path) -> None:
    whole = line(1, "one line")
    path.write_text(whole[:20])
    with Tailer(path) as tailer:
        assert _contents(tailer) == []
        with path.open("a") as file:
            file.write(whole[20:])
        assert _contents(tailer) == [b"one line"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", SECOND),
        ("1970-01-01T00:00:01.5Z", SECOND + SECOND // 2),
        ("1970-01-01T01:00:01.000000001+01:00", SECOND + 1),
        ("1970-01-01T00:00:01", None),
        ("yesterday", None),
    ],
)
def test_times(text: str, expected: int | None) -> None:
    assert parse_time(text.encode()) == expected


def test_tags_may_carry_more(path: Path) -> None:
    parsed = parse(b"1970-01-01T00:00:01Z stdout P:x rest of it")
    assert parsed is not None
    assert (parsed.partial, parsed.content) == (True, b"rest of it")


def _contents(tailer: Tailer) -> list[bytes]:
    return [found.content for found in tailer.lines()]


def _rotate(path: Path, text: str) -> None:
    for number in (2, 1):
        older = Path(f"{path}.{number}")
        if older.exists():
            older.rename(f"{path}.{number + 1}")
    path.rename(f"{path}.1")
    path.write_text(text)
