"""The files of an image to be: what stands where, and where it comes from."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InvalidArgument

_LINKS_LIMIT = 40  # as the kernel's own
PASSABLE = 0o111


@dataclass(frozen=True, slots=True)
class Item:
    """Exactly one of `source` (a host file), `text` and `link` is given; none is a directory."""

    mode: int
    mtime_ns: int = 0
    source: Path | None = None
    text: bytes | None = None
    link: str | None = None

    @property
    def is_directory(self) -> bool:
        return self.source is None and self.text is None and self.link is None


class Contents:
    """Files keep their host paths, with every symbolic link on the way, so links stay true."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._items

    def sorted(self) -> Iterator[tuple[str, Item]]:
        """Parents before children, always in the same order. Paths have no leading slash."""
        for path in sorted(self._items, key=lambda path: path.split("/")):
            yield path, self._items[path]

    def add_host(self, path: Path) -> None:
        """A file or directory of the host, and all that leads to it.

        Raises InvalidArgument when it cannot be read.
        """
        parts = list(path.parts[1:])
        place = Path("/")
        links = 0
        while parts:
            part = parts.pop(0)
            if part == "..":
                place = place.parent
                continue
            step = place / part
            status = _status(step)
            if stat.S_ISLNK(status.st_mode):
                links += 1
                if links > _LINKS_LIMIT:
                    raise InvalidArgument(f"{path}: too many symbolic links")
                target = os.readlink(step)
                self._put(step, Item(0o777, status.st_mtime_ns, link=target))
                parts = [*(word for word in Path(target).parts if word != "/"), *parts]
                place = Path("/") if target.startswith("/") else place
                continue
            self._put_status(step, status)
            place = step

    def add_text(self, path: str, text: str, mode: int = 0o644) -> None:
        self.add_directory(path.rpartition("/")[0])
        self._items.setdefault(path, Item(mode, text=text.encode()))

    def add_directory(self, path: str, mode: int = 0o755) -> None:
        """And its parents."""
        parts = path.split("/") if path else []
        for end in range(1, len(parts) + 1):
            last = end == len(parts)
            self._items.setdefault("/".join(parts[:end]), Item(mode if last else 0o755))

    def add_link(self, path: str, target: str) -> None:
        """A symbolic link, unless something stands there."""
        self.add_directory(path.rpartition("/")[0])
        self._items.setdefault(path, Item(0o777, link=target))

    def _put_status(self, path: Path, status: os.stat_result) -> None:
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISDIR(status.st_mode):
            self._put(path, Item(mode | PASSABLE))
        elif stat.S_ISREG(status.st_mode):
            self._put(path, Item(mode, status.st_mtime_ns, source=path))
        else:
            raise InvalidArgument(f"{path} is neither a file nor a directory")

    def _put(self, path: Path, item: Item) -> None:
        self._items.setdefault(str(path)[1:], item)


def _status(path: Path) -> os.stat_result:
    try:
        return path.lstat()
    except OSError as error:
        raise InvalidArgument(f"cannot read {path}: {error}") from None
