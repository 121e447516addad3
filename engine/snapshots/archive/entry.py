"""One tar entry, after every extension header has been applied."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from engine.errors import UnsafeArchive

PATH_LIMIT = 4096
NAME_LIMIT = 255


class Kind(StrEnum):
    """What an entry makes."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symbolic link"
    HARDLINK = "hard link"
    CHARACTER = "character device"
    BLOCK = "block device"
    FIFO = "fifo"


@dataclass(slots=True)
class Entry:
    """Names are as they stand in the archive; `split` makes them safe to use.

    `size` is what the file has once unpacked; `stored` is how many bytes the archive holds for
    it, which is less for a sparse file, whose data pieces `sparse` lists as (offset, length).
    """

    name: str
    kind: Kind
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    stored: int = 0
    mtime_ns: int = 0
    link: str = ""
    major: int = 0
    minor: int = 0
    xattrs: Mapping[str, bytes] = field(default_factory=dict)
    sparse: tuple[tuple[int, int], ...] | None = None


def split(name: str, what: str = "entry") -> tuple[str, ...]:
    """The components of an archive name below its root; empty for the root itself.

    A leading slash is relative to the root, as in Docker. Raises UnsafeArchive for `..`, NUL
    and names the kernel would not take.
    """
    if "\0" in name:
        raise UnsafeArchive(f"{what} {name!r:.120}: the name holds a NUL byte")
    if len(name) >= PATH_LIMIT:
        raise UnsafeArchive(
            f"{what} {name[:80]!r}…: the name is longer than {PATH_LIMIT - 1} bytes"
        )
    parts = tuple(part for part in name.split("/") if part not in {"", "."})
    for part in parts:
        if part == "..":
            raise UnsafeArchive(f"{what} {name!r:.120}: '..' would leave the archive's root")
        if len(part) > NAME_LIMIT:
            raise UnsafeArchive(f"{what} {name[:80]!r}…: a component is over {NAME_LIMIT} bytes")
    return parts
