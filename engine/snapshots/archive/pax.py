"""pax extended headers: `length key=value` records, and the sparse forms built on them."""

from engine.errors import UnsafeArchive

XATTR = "SCHILY.xattr."
SPARSE_MAP = "GNU.sparse.map"
_REPEATED = frozenset({"GNU.sparse.offset", "GNU.sparse.numbytes"})
_LARGEST = (1 << 63) - 1
Records = dict[str, bytes]


def records(data: bytes) -> Records:
    """Decode one extended header. Raises UnsafeArchive when it is malformed."""
    found: Records = {}
    position = 0
    while position < len(data) and data[position] != 0:
        end_of_length = data.find(b" ", position, position + 20)
        digits = data[position:end_of_length]
        length = int(digits) if end_of_length > 0 and digits.isdigit() else 0
        record = data[end_of_length + 1 : position + length - 1]
        key, equals, value = record.partition(b"=")
        whole = position + length <= len(data) and data[position + length - 1 : position + length]
        if not equals or not key or whole != b"\n":
            raise UnsafeArchive("a pax header in the archive is malformed")
        _add(found, key.decode("utf-8", "surrogateescape"), value)
        position += length
    return found


def _add(found: Records, key: str, value: bytes) -> None:
    """The first sparse form repeats two keys; they join up to the list of the second form."""
    if key in _REPEATED:
        so_far = found.get(SPARSE_MAP)
        found[SPARSE_MAP] = value if so_far is None else so_far + b"," + value
    else:
        found[key] = value


def integer(value: bytes, key: str) -> int:
    """A decimal record. Raises UnsafeArchive naming `key`."""
    try:
        return int(value)
    except ValueError:
        raise UnsafeArchive(f"pax record {key}: {value!r:.40} is not a number") from None


def nanoseconds(value: bytes) -> int:
    """A time in seconds with an optional fraction, as nanoseconds."""
    whole, _, fraction = value.partition(b".")
    negative = whole.startswith(b"-")
    seconds = integer(whole, "mtime") if whole not in {b"", b"-"} else 0
    digits = (fraction[:9] or b"0").ljust(9, b"0")
    rest = integer(digits, "mtime")
    return seconds * 1_000_000_000 + (-rest if negative else rest)


def xattrs(found: Records) -> dict[str, bytes]:
    """Extended attributes, by name."""
    prefix = len(XATTR)
    return {key[prefix:]: value for key, value in found.items() if key.startswith(XATTR)}


def pairs(numbers: list[int], size: int) -> tuple[tuple[int, int], ...]:
    """A sparse map: (offset, length) pieces in order, inside `size`.

    Raises UnsafeArchive for pieces that overlap, run backwards or leave the file.
    """
    pieces = tuple(zip(numbers[::2], numbers[1::2], strict=False))
    end = 0
    for offset, length in pieces:
        if offset < end or length < 0 or not offset + length <= size <= _LARGEST:
            raise UnsafeArchive("a sparse file's map is out of order or outside the file")
        end = offset + length
    return pieces
