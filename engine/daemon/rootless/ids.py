"""Which ids a user may map into a user namespace: /etc/subuid, /etc/subgid and newuidmap(1)."""

import os
import pwd
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SUBUID, SUBGID = Path("/etc/subuid"), Path("/etc/subgid")
TOOLS = ("newuidmap", "newgidmap")
WANTED = 65536
_FIRST = 100000

Mapping = tuple[int, int, int]
"""First id inside, first id outside, how many."""


@dataclass(frozen=True, slots=True)
class Ids:
    """The maps of a namespace to be. `lack` says why there is one id only, `fix` what to do."""

    uids: tuple[Mapping, ...]
    gids: tuple[Mapping, ...]
    lack: str = ""
    fix: str = ""

    @property
    def single(self) -> bool:
        return bool(self.lack)


def find(uid: int, gid: int, subuid: Path = SUBUID, subgid: Path = SUBGID) -> Ids:
    """Root inside is the user; the ids from 1 on are the user's subordinate ones (subuid(5))."""
    lack, fix = _lacking_tools()
    if not lack:
        lack, fix = _lacking_ranges(uid, subuid, subgid)
    if lack:
        return Ids(((0, uid, 1),), ((0, gid, 1),), lack, fix)
    return Ids(stacked(uid, ranges(subuid, _names(uid))), stacked(gid, ranges(subgid, _names(uid))))


def stacked(own: int, found: Iterable[tuple[int, int]]) -> tuple[Mapping, ...]:
    """0 is `own`; the ranges follow one upon the other."""
    made, following = [(0, own, 1)], 1
    for first, count in found:
        made.append((following, first, count))
        following += count
    return tuple(made)


def ranges(path: Path, names: Iterable[str]) -> tuple[tuple[int, int], ...]:
    """(first, count) of each range that the file gives to one of `names`."""
    wanted = set(names)
    return tuple((first, count) for name, first, count in _rows(path) if name in wanted)


def _rows(path: Path) -> list[tuple[str, int, int]]:
    """What is no such line is passed over, as newuidmap does."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return []  # nobody has subordinate ids, or nobody may know
    rows = [line.strip().split(":") for line in lines]
    return [(r[0], int(r[1]), int(r[2])) for r in rows if len(r) == 3 and _numbers(r[1:])]


def _numbers(words: list[str]) -> bool:
    plain = all(word.isascii() and word.isdigit() and len(word) <= 10 for word in words)
    return plain and int(words[1]) > 0 and int(words[0]) + int(words[1]) < 2**32


def _names(uid: int) -> tuple[str, ...]:
    name = _name(uid)
    return (name, str(uid)) if name else (str(uid),)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def _lacking_tools() -> tuple[str, str]:
    for tool in TOOLS:
        path = shutil.which(tool)
        if path is None:
            return f"{tool} is not installed", "install it (Debian, Ubuntu: apt-get install uidmap)"
        if not _privileged(path):
            return f"{path} has no right to map ids", f"sudo chmod u+s {path}"
    return "", ""


def _privileged(path: str) -> bool:
    """Set-uid root, or with a capability of its own, as distributions differ."""
    status = os.stat(path)
    if status.st_uid == 0 and status.st_mode & stat.S_ISUID:
        return True
    try:
        return bool(os.getxattr(path, "security.capability"))
    except OSError:
        return False


def _lacking_ranges(uid: int, subuid: Path, subgid: Path) -> tuple[str, str]:
    name = _name(uid)
    if not name:
        return f"uid {uid} has no name in /etc/passwd", "add the user, as newuidmap wants it"
    lacking = [str(path) for path in (subuid, subgid) if not ranges(path, _names(uid))]
    if not lacking:
        return "", ""
    first = max(
        (_FIRST, *(start + count for f in (subuid, subgid) for _, start, count in _rows(f)))
    )
    span = f"{first}-{first + WANTED - 1}"
    options = [
        f"--add-{kind} {span}"
        for kind, path in (("subuids", subuid), ("subgids", subgid))
        if str(path) in lacking
    ]
    found = f"{name} has no ids of its own in {' and '.join(lacking)}"
    return found, f"sudo usermod {' '.join(options)} {name}"
