"""Sparse files: GNU's old header form and the pax forms 0.0, 0.1 and 1.0 (GNU tar manual)."""

from engine.errors import UnsafeArchive
from engine.snapshots.archive import pax
from engine.snapshots.archive.entry import Entry
from engine.snapshots.archive.header import BLOCK, Header, number
from engine.snapshots.archive.source import Source

Pieces = tuple[tuple[int, int], ...]
Sparse = tuple[int, str, int, Pieces]
_PIECES_LIMIT = 1 << 16
_LINE_LIMIT = 24


def applies(header: Header, found: pax.Records) -> bool:
    """Whether the entry's data is stored in pieces."""
    return header.typeflag == b"S" or any(key.startswith("GNU.sparse.") for key in found)


def read(entry: Entry, header: Header, found: pax.Records, source: Source) -> Sparse:
    """Bytes of the entry used up by its map, its real name, its real size, and the pieces.

    Raises UnsafeArchive when the map makes no sense.
    """
    if header.typeflag == b"S":
        size, numbers = _old_gnu(header.raw, source)
        return 0, entry.name, size, pax.pairs(numbers, size)
    name = found.get("GNU.sparse.name")
    real = entry.name if name is None else name.decode("utf-8", "surrogateescape")
    size_key = "GNU.sparse.realsize" if "GNU.sparse.realsize" in found else "GNU.sparse.size"
    size = pax.integer(found.get(size_key, b""), size_key)
    if found.get("GNU.sparse.major") == b"1":
        used, numbers = _version_1(source, entry.stored)
        return used, real, size, pax.pairs(numbers, size)
    listed = [item for item in found.get(pax.SPARSE_MAP, b"").split(b",") if item]
    return 0, real, size, pax.pairs([pax.integer(item, pax.SPARSE_MAP) for item in listed], size)


def _old_gnu(block: bytes, source: Source) -> tuple[int, list[int]]:
    """The header holds four pieces and a flag; each following block holds 21 more."""
    size = number(block[483:495])
    numbers = _old_pieces(block[386:482])
    more = block[482]
    while more:
        block = source.exactly(BLOCK)
        numbers += _old_pieces(block[:504])
        more = block[504]
        if len(numbers) > 2 * _PIECES_LIMIT:
            raise UnsafeArchive("a sparse file has too many pieces")
    return size, numbers


def _old_pieces(area: bytes) -> list[int]:
    fields = [area[start : start + 12] for start in range(0, len(area), 12)]
    numbers: list[int] = []
    for offset, length in zip(fields[::2], fields[1::2], strict=True):
        if offset[0] or length[0]:
            numbers += [number(offset), number(length)]
    return numbers


def _version_1(source: Source, stored: int) -> tuple[int, list[int]]:
    """The map stands before the data: decimal lines, padded to a block."""
    lines = _Lines(source, stored)
    count = lines.number()
    if count > _PIECES_LIMIT:
        raise UnsafeArchive("a sparse file has too many pieces")
    numbers = [lines.number() for _ in range(2 * count)]
    return lines.used, numbers


class _Lines:
    """Decimal lines out of whole blocks, never beyond what the entry stores."""

    def __init__(self, source: Source, stored: int) -> None:
        self._source = source
        self._stored = stored
        self._text = b""
        self.used = 0

    def number(self) -> int:
        while b"\n" not in self._text:
            if len(self._text) > _LINE_LIMIT or self.used + BLOCK > self._stored:
                raise UnsafeArchive("a sparse file's map is malformed")
            self._text += self._source.exactly(BLOCK)
            self.used += BLOCK
        line, _, self._text = self._text.partition(b"\n")
        return pax.integer(line, pax.SPARSE_MAP)
