"""What the user namespace around this process lets it do (user_namespaces(7)).

Read from the kernel, so that engine, zygote and monitors need not be told.
"""

from functools import cache
from typing import NamedTuple

EVERY_ID = 2**32 - 1


class IdMap(NamedTuple):
    """`ranges` are (first id inside, how many)."""

    ranges: tuple[tuple[int, int], ...]

    def has(self, number: int) -> bool:
        return any(first <= number < first + count for first, count in self.ranges)

    @property
    def size(self) -> int:
        return sum(count for _, count in self.ranges)

    @property
    def last(self) -> int:
        """The highest id that all from 0 on are there up to."""
        following = 0
        for first, count in sorted(self.ranges):
            following = max(following, first + count) if first <= following else following
        return following - 1


@cache
def uids() -> IdMap:
    """The user ids there are."""
    return _read("/proc/self/uid_map")


@cache
def gids() -> IdMap:
    """The group ids there are."""
    return _read("/proc/self/gid_map")


def rootless() -> bool:
    """Whether root here is somebody else on the machine: no devices, no trusted attributes."""
    return uids().size < EVERY_ID


def single_id() -> bool:
    """Whether there is one user id only: files cannot have other owners than root."""
    return uids().size == 1


def forget() -> None:
    """Read again: this process has entered another namespace."""
    uids.cache_clear()
    gids.cache_clear()


def parse(text: str) -> IdMap:
    """The lines of uid_map or gid_map: inside, outside, count."""
    rows = (line.split() for line in text.splitlines())
    return IdMap(tuple((int(row[0]), int(row[2])) for row in rows if len(row) == 3))


def _read(path: str) -> IdMap:
    try:
        with open(path, encoding="ascii") as file:
            return parse(file.read())
    except FileNotFoundError:
        return IdMap(((0, EVERY_ID),))  # a kernel without user namespaces
