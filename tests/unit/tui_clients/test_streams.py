"""Bytes of the engine's streams to lines and messages, wherever they are cut."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.clients import BadRequest, ServerFault
from tui.clients.docker import logs, progress
from tui.models import LogLine

STAMP = "2026-01-02T03:04:05.000000006Z "


def frame(kind: int, text: str) -> bytes:
    data = text.encode()
    return struct.pack(">BxxxI", kind, len(data)) + data


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def framed(data: bytes, size: int = 1 << 16, *, timestamps: bool = False) -> list[LogLine]:
    return [line async for line in logs.framed_lines(pieces(data, size), timestamps=timestamps)]


async def said(documents: Sequence[object], size: int = 1 << 16) -> list[str]:
    data = b"\r\n".join(json.dumps(one).encode() for one in documents)
    return [line async for line in progress.lines(pieces(data, size))]


@given(st.integers(1, 40))
def test_lines_are_whole_wherever_the_bytes_are_cut(size: int) -> None:
    data = frame(1, "one\ntw") + frame(2, "bad\n") + frame(1, "o\n") + frame(1, "rest")
    assert asyncio.run(framed(data, size)) == [
        LogLine("one"),
        LogLine("bad", "stderr"),
        LogLine("two"),
        LogLine("rest", partial=True),
    ]


async def test_timestamps_are_taken_off_the_line() -> None:
    (line,) = await framed(frame(1, f"{STAMP}hello world\n"), timestamps=True)
    assert line.text == "hello world"
    assert line.time == pytest.approx(1767323045.0, abs=0.001)


async def test_a_long_line_in_stamped_pieces_has_one_stamp() -> None:
    (line,) = await framed(frame(1, f"{STAMP}aaa") + frame(1, f"{STAMP}bbb\n"), timestamps=True)
    assert line.text == "aaabbb"


async def test_a_line_without_an_end_is_cut_before_it_fills_the_memory() -> None:
    lines = await framed(frame(1, "x" * (3 << 20)))
    assert all(line.partial for line in lines)
    assert sum(len(line.text) for line in lines) == 3 << 20


async def test_bytes_that_are_no_frames_are_refused() -> None:
    with pytest.raises(ServerFault, match="not a log frame"):
        await framed(b"plain text, no frames\n")


async def test_a_frame_cut_by_the_end_is_dropped() -> None:
    assert await framed(frame(1, "whole\n") + frame(1, "cut")[:-1]) == [LogLine("whole")]


async def test_a_terminals_stream_loses_its_carriage_returns() -> None:
    lines = logs.raw_lines(pieces(b"$ ls\r\na b\r\n", 3), timestamps=False)
    assert [line.text async for line in lines] == ["$ ls", "a b"]


@given(st.integers(1, 50))
def test_progress_is_read_wherever_it_is_cut(size: int) -> None:
    documents = [{"stream": "Loaded image: é:1\n"}, {"status": "done", "progress": "[=>]"}]
    assert asyncio.run(said(documents, size)) == ["Loaded image: é:1", "done [=>]"]


async def test_an_error_in_the_stream_is_raised() -> None:
    with pytest.raises(BadRequest, match="no such program: nope"):
        await said([{"stream": "copying"}, {"errorDetail": {"message": "no such program: nope"}}])
