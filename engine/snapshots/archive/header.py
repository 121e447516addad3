"""The 512-byte tar header: ustar, GNU and v7 fields (POSIX.1-2001 pax, GNU tar manual)."""

import struct
from dataclasses import dataclass

from engine.errors import UnsafeArchive

BLOCK = 512
_ZERO_CHECKSUM = b" " * 8
_LARGEST = (1 << 63) - 1
_PREFIX_END = 500
_SIGNED = struct.Struct("512b")


@dataclass(slots=True)
class Header:
    """One header, decoded and not yet extended. Text is bytes: encodings vary by writer."""

    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    typeflag: bytes
    link: bytes
    major: int
    minor: int
    gnu: bool
    raw: bytes


def number(field: bytes) -> int:
    """An octal field, or GNU base-256 when the top bit of the first byte is set."""
    first = field[0]
    if first & 0x80:
        value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
        return value - (1 << (8 * len(field) - 1)) if first & 0x40 else value
    digits = field.strip(b" \0").partition(b"\0")[0].strip(b" ")
    try:
        return int(digits, 8) if digits else 0
    except ValueError:
        raise UnsafeArchive(f"not a tar archive: {field!r} is not a number") from None


def text(field: bytes) -> bytes:
    """Up to the first NUL."""
    return field.partition(b"\0")[0]


def parse(block: bytes) -> Header:
    """Raises UnsafeArchive when the block is no tar header: a bad checksum or a bad number."""
    _check_sum(block)
    size = number(block[124:136])
    if not 0 <= size <= _LARGEST:
        raise UnsafeArchive(f"entry {text(block[:100])!r}: impossible size {size}")
    ustar = block[257:262] == b"ustar"
    gnu = block[257:265] == b"ustar  \0"
    return Header(
        name=_full_name(block, ustar and not gnu),
        mode=number(block[100:108]) & 0o7777,
        uid=number(block[108:116]),
        gid=number(block[116:124]),
        size=size,
        mtime=number(block[136:148]),
        typeflag=block[156:157],
        link=text(block[157:257]),
        major=number(block[329:337]) if ustar else 0,
        minor=number(block[337:345]) if ustar else 0,
        gnu=gnu,
        raw=block,
    )


def _full_name(block: bytes, has_prefix: bool) -> bytes:
    name = text(block[:100])
    if not has_prefix or block[345] == 0:
        return name
    prefix = text(block[345:_PREFIX_END])
    return prefix + b"/" + name


def _check_sum(block: bytes) -> None:
    """Historic tars summed signed bytes, so either sum will do."""
    expected = number(block[148:156])
    blank = block[:148] + _ZERO_CHECKSUM + block[156:]
    if sum(blank) != expected and sum(_SIGNED.unpack(blank)) != expected:
        raise UnsafeArchive("not a tar archive: a header has the wrong checksum")
