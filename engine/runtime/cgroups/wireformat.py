"""D-Bus values as bytes and back (D-Bus Specification, "Marshaling"). No I/O.

A variant is a pair (signature, value), a struct a tuple, a dictionary a list of pairs.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Any

from engine.errors import Unavailable

_FIXED = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d"}
_STRINGS = {"s": 4, "o": 4, "g": 1}  # width of the length before it
_DEEPEST = 32


def encode(signature: str, values: Sequence[Any]) -> bytes:
    """Little-endian. Raises ValueError or struct.error for values that do not fit."""
    out = bytearray()
    for kind, value in zip(split(signature), values, strict=True):
        _encode(kind, value, out)
    return bytes(out)


def decode(signature: str, data: bytes, order: str = "<", *, offset: int = 0) -> tuple[Any, ...]:
    """The values; `offset` is where `data` began in its message, for the alignment.

    Raises Unavailable for bytes that are no such values.
    """
    reader = _Reader(data, order, offset)
    try:
        return tuple([reader.value(kind) for kind in split(signature)])
    except (struct.error, ValueError, IndexError, KeyError) as error:
        raise Unavailable(f"D-Bus sent what is no {signature!r}: {error}") from error


def split(signature: str) -> Iterator[str]:
    """The complete types of a signature, one after the other."""
    start = 0
    while start < len(signature):
        end = _end(signature, start)
        yield signature[start:end]
        start = end


def _end(signature: str, start: int, depth: int = 0) -> int:
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    first = signature[start]
    if first == "a":
        return _end(signature, start + 1, depth + 1)
    if first not in "({":
        return start + 1
    place = start + 1
    while signature[place] not in ")}":
        place = _end(signature, place, depth + 1)
    return place + 1


def _alignment(kind: str) -> int:
    first = kind[0]
    if first in "({":
        return 8
    if first in "sa":
        return 4
    if first in "gv":
        return 1
    return 4 if first == "o" else struct.calcsize(_FIXED[first])


def _pad(out: bytearray, alignment: int) -> None:
    out += bytes(-len(out) % alignment)


def _encode(kind: str, value: Any, out: bytearray) -> None:
    first = kind[0]
    _pad(out, _alignment(kind))
    if first in _FIXED:
        out += struct.pack(f"<{_FIXED[first]}", value)
    elif first in _STRINGS:
        data = value.encode()
        out += len(data).to_bytes(_STRINGS[first], "little") + data + b"\0"
    elif first == "v":
        inner, content = value
        _encode("g", inner, out)
        _encode(inner, content, out)
    elif first == "a":
        _encode_array(kind[1:], value, out)
    else:
        for inner, content in zip(split(kind[1:-1]), value, strict=True):
            _encode(inner, content, out)


def _encode_array(kind: str, values: Sequence[Any], out: bytearray) -> None:
    """The length does not count the padding before the first element."""
    at = len(out)
    out += bytes(4)
    _pad(out, _alignment(kind))
    start = len(out)
    for value in values:
        _encode(kind, value, out)
    struct.pack_into("<I", out, at, len(out) - start)


class _Reader:
    def __init__(self, data: bytes, order: str, offset: int) -> None:
        self._data = data
        self._order = order
        self._offset = offset
        self._at = 0

    def value(self, kind: str, depth: int = 0) -> Any:
        if depth > _DEEPEST:
            raise ValueError("nested too deep")
        first = kind[0]
        self._at += -(self._at + self._offset) % _alignment(kind)
        if first in _FIXED:
            number = self._number(_FIXED[first])
            return bool(number) if first == "b" else number
        if first in _STRINGS:
            return self._text(self._number("I" if _STRINGS[first] == 4 else "B"))
        if first == "v":
            inner = self.value("g")
            return inner, self.value(inner, depth + 1)
        if first == "a":
            return self._array(kind[1:], depth)
        return tuple([self.value(inner, depth + 1) for inner in split(kind[1:-1])])

    def _number(self, code: str) -> Any:
        (value,) = struct.unpack_from(f"{self._order}{code}", self._data, self._at)
        self._at += struct.calcsize(code)
        return value

    def _text(self, length: int) -> str:
        data = self._data[self._at : self._at + length]
        if len(data) < length:
            raise ValueError("cut off")
        self._at += length + 1
        return data.decode(errors="replace")

    def _array(self, kind: str, depth: int) -> list[Any]:
        length = self._number("I")
        self._at += -(self._at + self._offset) % _alignment(kind)
        end = self._at + length
        if end > len(self._data):
            raise ValueError("cut off")
        found = []
        while self._at < end:
            found.append(self.value(kind, depth + 1))
        return found
