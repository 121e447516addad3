"""A tar stream as entries: one pass, nothing written, memory bounded whatever the archive says.

Understands ustar, v7, GNU (long names, base-256, old sparse) and pax (xattrs, sparse 0.0 to 1.0).
"""

from collections.abc import Iterator

from engine.errors import UnsafeArchive
from engine.snapshots.archive import pax, sparse
from engine.snapshots.archive.entry import PATH_LIMIT, Entry, Kind
from engine.snapshots.archive.header import BLOCK, Header, parse
from engine.snapshots.archive.source import Source
from engine.snapshots.snapshotter import ByteReader

_EMPTY = bytes(BLOCK)
_EXTENSION_LIMIT = 1 << 20  # bytes of one entry's pax headers and long names, or of all global ones
_KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"S": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.CHARACTER,
    b"4": Kind.BLOCK,
    b"5": Kind.DIRECTORY,
    b"6": Kind.FIFO,
}
_EXTENSIONS = {b"x": "", b"L": "path", b"K": "linkpath"}
_NOBODY_AT_ALL = (1 << 32) - 1  # chown(2) takes it for "leave as it is"
_TIME_LIMIT = 1 << 62  # nanoseconds: a century and a half either way
_IGNORED = frozenset(b"VM")  # a volume label, a continued volume: no data to unpack


def decode(name: bytes) -> str:
    """Names are bytes to the kernel; whatever is not UTF-8 survives as surrogates."""
    return name.decode("utf-8", "surrogateescape")


class TarReader:
    """Iterate for entries; call `data()` before the next entry to read the current file.

    `ended` says whether the archive's end mark was seen.
    """

    def __init__(self, stream: ByteReader) -> None:
        self._source = Source(stream)
        self._global: pax.Records = {}
        self._global_size = 0
        self._left = 0  # bytes of the current entry not read yet
        self._padding = 0
        self.ended = False

    def __iter__(self) -> Iterator[Entry]:
        while (entry := self._next()) is not None:
            yield entry

    def data(self) -> Iterator[memoryview]:
        """The stored bytes of the current entry, in pieces valid until the next one is asked for.

        Raises UnsafeArchive when the archive ends early.
        """
        while self._left:
            piece = self._source.some(self._left)
            self._left -= len(piece)
            yield piece

    def drain(self) -> None:
        """Read to the end of the stream, so that whoever hashes it has seen all of it."""
        while self._source.any():
            pass

    def _next(self) -> Entry | None:
        extension: pax.Records = {}
        size = 0
        while (header := self._header()) is not None:
            if header.typeflag == b"g":
                self._global_size += header.size
                self._global |= pax.records(self._extension(header, self._global_size))
            elif header.typeflag in _EXTENSIONS:
                size += header.size
                extension |= _records(header, self._extension(header, size))
            elif header.typeflag[0] not in _IGNORED:
                return self._entry(header, self._global | extension)
        if extension:
            raise UnsafeArchive("the archive ends after an extension header")
        return None

    def _header(self) -> Header | None:
        self._skip(self._left + self._padding)
        self._left = self._padding = 0
        block = self._source.block()
        if block is None:
            return None
        if block == _EMPTY:
            self.ended = True
            return None
        header = parse(block)
        self._left = header.size
        self._padding = -header.size % BLOCK
        return header

    def _skip(self, count: int) -> None:
        while count:
            count -= len(self._source.some(count))

    def _extension(self, header: Header, size: int) -> bytes:
        """Its bytes; `size` is what it comes to with those before it."""
        if size > _EXTENSION_LIMIT:
            raise UnsafeArchive(f"an extension header of {header.size} bytes is too large")
        return b"".join(bytes(piece) for piece in self.data())

    def _entry(self, header: Header, found: pax.Records) -> Entry:
        kind = _KINDS.get(header.typeflag)
        name = decode(found.get("path", header.name))
        if kind is None:
            raise UnsafeArchive(f"entry {name!r:.120}: unknown type {header.typeflag!r}")
        if header.typeflag in {b"0", b"\0"} and name.endswith("/"):
            kind = Kind.DIRECTORY  # v7 tars have no type for directories
        link = found.get("linkpath", header.link)
        if len(link) >= PATH_LIMIT:
            raise UnsafeArchive(f"entry {name!r:.120}: its link is over {PATH_LIMIT - 1} bytes")
        entry = Entry(
            name=name,
            kind=kind,
            mode=header.mode,
            uid=_owner(found, "uid", header.uid),
            gid=_owner(found, "gid", header.gid),
            mtime_ns=_mtime(found, header),
            link=decode(link),
            major=header.major,
            minor=header.minor,
        )
        self._measure(entry, header, found)
        return entry

    def _measure(self, entry: Entry, header: Header, found: pax.Records) -> None:
        size = _number(found, "size", header.size)
        if size < 0:
            raise UnsafeArchive(f"entry {entry.name!r:.120}: impossible size {size}")
        if entry.kind is not Kind.FILE:
            size = 0  # nothing else carries data, whatever the field says; as Go's archive/tar
        self._left, self._padding = size, -size % BLOCK
        entry.size = entry.stored = size
        if found:
            entry.xattrs = pax.xattrs(found)
        if entry.kind is Kind.FILE and sparse.applies(header, found):
            self._make_sparse(entry, header, found)

    def _make_sparse(self, entry: Entry, header: Header, found: pax.Records) -> None:
        used, name, size, pieces = sparse.read(entry, header, found, self._source)
        self._left -= used
        entry.name, entry.size, entry.sparse = name, size, pieces
        entry.stored = self._left
        if sum(length for _, length in pieces) != self._left:
            raise UnsafeArchive(f"entry {name!r:.120}: the sparse map does not fit its data")


def _records(header: Header, data: bytes) -> pax.Records:
    """GNU's long names say what pax records do."""
    key = _EXTENSIONS[header.typeflag]
    return {key: data.rstrip(b"\0")} if key else pax.records(data)


def _number(found: pax.Records, key: str, otherwise: int) -> int:
    return pax.integer(found[key], key) if key in found else otherwise


def _owner(found: pax.Records, key: str, otherwise: int) -> int:
    value = _number(found, key, otherwise)
    if not 0 <= value < _NOBODY_AT_ALL:
        raise UnsafeArchive(f"{key} {value} in the archive is out of range")
    return value


def _mtime(found: pax.Records, header: Header) -> int:
    value = header.mtime * 1_000_000_000
    if "mtime" in found:
        value = pax.nanoseconds(found["mtime"])
    return max(-_TIME_LIMIT, min(value, _TIME_LIMIT))
