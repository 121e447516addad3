"""Frames in pieces of any size, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import errors
from engine.runtime import wire

_FRAMES = st.lists(st.tuples(st.integers(1, 6), st.binary(max_size=300)), max_size=8)


@given(frames=_FRAMES, size=st.integers(1, 64))
def test_frames_survive_any_cutting(frames: list[tuple[int, bytes]], size: int) -> None:
    data = b"".join(wire.frame(kind, payload) for kind, payload in frames)
    decoder = wire.Decoder()
    got: list[tuple[int, bytes]] = []
    for start in range(0, len(data), size):
        got += decoder.feed(data[start : start + size])
    assert got == frames


def test_a_control_message_comes_back() -> None:
    message = {"verb": "kill", "signal": 9, "text": "ü", "none": None, "list": [1, "a"]}
    ((kind, payload),) = wire.Decoder().feed(wire.control(message))
    assert kind == wire.CONTROL
    assert wire.parse_control(payload) == message


@pytest.mark.parametrize("header", [b"\xff\xff\xff\xff\x01", b"\0\0\0\1\0", b"\0\0\0\1\7"])
def test_a_bad_header_is_refused(header: bytes) -> None:
    with pytest.raises(wire.WireError):
        list(wire.Decoder().feed(header + b"x"))


@pytest.mark.parametrize("payload", [b"", b"junk", wire.control([])[5:]])  # type: ignore[arg-type]
def test_a_bad_control_message_is_refused(payload: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.parse_control(payload)


def test_errors_cross_by_name() -> None:
    error = wire.error("CommandNotFound", "no such program")
    assert type(error) is errors.CommandNotFound
    assert str(error) == "no such program"


def test_an_unknown_error_is_a_runtime_failure() -> None:
    assert type(wire.error("FromTheFuture", "text")) is errors.RuntimeFailure
