"""What the dynamic loader reads in an ELF file (elf(5)): interpreter, needed libraries, paths.

Files are only read here, never run: `ldd` would run them.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

MAGIC = b"\x7fELF"
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_RPATH, _DT_RUNPATH = 0, 1, 5, 10, 15, 29
_STRINGS_LIMIT = 16 << 20  # bytes; libraries of every size stay far below
_PATH_LIMIT = 4096
_HEADERS_LIMIT = 1024


class NotElf(ValueError):
    """The file is no ELF file, or a damaged one."""


class Segment(NamedTuple):
    """One program header: kind, file offset, address, bytes in the file."""

    kind: int
    offset: int
    address: int
    size: int


@dataclass(frozen=True, slots=True)
class Elf:
    """`target` is (class, byte order, machine): only files of one target link together."""

    target: tuple[int, int, int]
    interpreter: str
    needed: tuple[str, ...]
    rpath: tuple[str, ...]
    runpath: tuple[str, ...]

    @property
    def is_static(self) -> bool:
        return not self.interpreter and not self.needed


def read(path: Path) -> Elf:
    """Raises NotElf, or OSError when the file cannot be read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _Reader(descriptor).read()
    except (struct.error, UnicodeDecodeError, OverflowError) as error:
        raise NotElf(f"{path}: damaged ELF file: {error}") from None
    finally:
        os.close(descriptor)


class _Reader:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        head = os.pread(descriptor, 20, 0)
        if not head.startswith(MAGIC) or len(head) < 20 or head[4] not in {1, 2}:
            raise NotElf("not an ELF file")
        self._wide = head[4] == 2
        self._order = "<" if head[5] == 1 else ">"
        machine: int = self._unpack("H", head[18:20])[0]
        self._target = (head[4], head[5], machine)

    def read(self) -> Elf:
        segments = self._segments()
        interpreter = next((self._text(item) for item in segments if item.kind == _PT_INTERP), "")
        tags = next((self._tags(item) for item in segments if item.kind == _PT_DYNAMIC), [])
        strings = self._strings(tags, segments)
        return Elf(
            target=self._target,
            interpreter=interpreter,
            needed=_named(tags, strings, _DT_NEEDED),
            rpath=_paths(_named(tags, strings, _DT_RPATH)),
            runpath=_paths(_named(tags, strings, _DT_RUNPATH)),
        )

    def _unpack(self, form: str, data: bytes) -> tuple[int, ...]:
        return struct.unpack(self._order + form, data)

    def _segments(self) -> list[Segment]:
        offset, place = ("Q", 32) if self._wide else ("I", 28)
        start = self._at(offset, place)[0]
        size, count = self._at("HH", 54 if self._wide else 42)
        if count > _HEADERS_LIMIT:
            raise NotElf("damaged ELF file: too many program headers")
        return [self._segment(start + number * size) for number in range(count)]

    def _segment(self, place: int) -> Segment:
        if self._wide:
            kind, _flags, offset, address, _physical, size = self._at("IIQQQQ", place)
        else:
            kind, offset, address, _physical, size = self._at("IIIII", place)
        return Segment(kind, offset, address, size)

    def _at(self, form: str, place: int) -> tuple[int, ...]:
        length = struct.calcsize(self._order + form)
        return self._unpack(form, os.pread(self._descriptor, length, place))

    def _text(self, segment: Segment) -> str:
        data = os.pread(self._descriptor, min(segment.size, _PATH_LIMIT), segment.offset)
        return os.fsdecode(data.partition(b"\0")[0])

    def _tags(self, segment: Segment) -> list[tuple[int, int]]:
        form = "qQ" if self._wide else "iI"
        step = struct.calcsize(self._order + form)
        data = os.pread(self._descriptor, min(segment.size, _STRINGS_LIMIT), segment.offset)
        usable = data[: len(data) - len(data) % step]
        tags = []
        for tag, value in struct.iter_unpack(self._order + form, usable):
            if tag == _DT_NULL:
                break
            tags.append((tag, value))
        return tags

    def _strings(self, tags: list[tuple[int, int]], segments: list[Segment]) -> bytes:
        """The dynamic string table, found by its address in a loaded segment."""
        found = dict(tags)
        address, size = found.get(_DT_STRTAB, 0), found.get(_DT_STRSZ, 0)
        for item in segments:
            if item.kind == _PT_LOAD and item.address <= address < item.address + item.size:
                place = address - item.address + item.offset
                return os.pread(self._descriptor, min(size, _STRINGS_LIMIT), place)
        return b""


def _named(tags: list[tuple[int, int]], strings: bytes, wanted: int) -> tuple[str, ...]:
    return tuple(
        os.fsdecode(strings[value:].partition(b"\0")[0])
        for tag, value in tags
        if tag == wanted and value < len(strings)
    )


def _paths(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(path for value in values for path in value.split(":") if path)
