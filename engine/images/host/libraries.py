"""Finds shared libraries as ld.so(8) does: RPATH, RUNPATH, the cache, the default directories."""

import os
import platform
import struct
from collections.abc import Iterator
from pathlib import Path

from engine.images.host import elf

CACHE = Path("/etc/ld.so.cache")
_MAGIC = b"glibc-ld.so.cache1.1"
_HEADER = struct.Struct("=20sII4xI12x")
_ENTRY = struct.Struct("=iIIIQ")
_DEFAULT = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")
_BY_CPU = "glibc-hwcaps"  # variants for newer CPUs; the plain one runs everywhere


class Libraries:
    """Answers "which file would the loader take"; keeps what it has read."""

    def __init__(self, cache: Path = CACHE) -> None:
        self._cached = _read_cache(cache)
        machine = platform.machine()
        triplet = f"{machine}-linux-gnu"
        self._default = (f"/lib/{triplet}", f"/usr/lib/{triplet}", *_DEFAULT)
        self._known: dict[Path, elf.Elf | None] = {}

    def read(self, path: Path) -> elf.Elf | None:
        """None for a file that is missing or no ELF file."""
        if path not in self._known:
            try:
                self._known[path] = elf.read(path)
            except (OSError, elf.NotElf):
                self._known[path] = None
        return self._known[path]

    def closure(self, path: Path) -> tuple[list[Path], list[str]]:
        """Every library that `path` needs, directly or not, and the names nobody can find."""
        found: dict[Path, None] = {}
        missing: dict[str, None] = {}
        waiting: list[tuple[Path, tuple[str, ...]]] = [(path, ())]
        while waiting:
            place, inherited = waiting.pop()
            file = self.read(place)
            if file is None:
                continue
            rpath = () if file.runpath else (*_expanded(file.rpath, place), *inherited)
            for name in file.needed:
                library = self._find(name, file, place, rpath)
                if library is None:
                    missing[name] = None
                elif library not in found:
                    found[library] = None
                    waiting.append((library, rpath))
        return list(found), list(missing)

    def find(self, name: str, beside: elf.Elf) -> Path | None:
        """A library by name alone, of the same target."""
        return self._find(name, beside, Path("/"), ())

    def _find(self, name: str, file: elf.Elf, place: Path, rpath: tuple[str, ...]) -> Path | None:
        if "/" in name:
            candidates = iter((Path(name),))
        else:
            candidates = self._candidates(name, (*rpath, *_expanded(file.runpath, place)))
        for candidate in candidates:
            library = self.read(candidate)
            if library is not None and library.target == file.target:
                return candidate
        return None

    def _candidates(self, name: str, first: tuple[str, ...]) -> Iterator[Path]:
        yield from (Path(directory) / name for directory in first)
        yield from self._cached.get(name, ())
        yield from (Path(directory) / name for directory in self._default)


def _expanded(directories: tuple[str, ...], place: Path) -> tuple[str, ...]:
    origin = str(Path(os.path.realpath(place)).parent)
    return tuple(
        os.path.normpath(item.replace("${ORIGIN}", origin).replace("$ORIGIN", origin))
        for item in directories
    )


def _read_cache(path: Path) -> dict[str, list[Path]]:
    """`ldconfig`'s cache; empty where there is none or another format, as with musl."""
    try:
        data = path.read_bytes()
    except OSError:
        return {}
    start = data.find(_MAGIC)
    if start < 0 or len(data) < start + _HEADER.size:
        return {}
    _, count, _, _ = _HEADER.unpack_from(data, start)
    found: dict[str, list[Path]] = {}
    first = start + _HEADER.size
    count = min(count, (len(data) - first) // _ENTRY.size)
    for number in range(count):
        _, key, value, _, _ = _ENTRY.unpack_from(data, first + number * _ENTRY.size)
        target = _string(data, start + value)
        if _BY_CPU not in target:
            found.setdefault(_string(data, start + key), []).append(Path(target))
    return found


def _string(data: bytes, place: int) -> str:
    return os.fsdecode(data[place : data.find(b"\0", place)])
