"""Versions: the engine's own, those of the API it serves, and how a path names one."""

import re
from importlib import metadata
from typing import NamedTuple

from engine.errors import InvalidArgument


class Version(NamedTuple):
    """`1.47` as numbers, so that versions compare."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


ENGINE = metadata.version("berth")
MINIMUM = Version(1, 24)
MAXIMUM = Version(1, 47)

_PREFIX = re.compile(r"/v(\d{1,4})\.(\d{1,4})(/.*)")


def split(path: str) -> tuple[Version, str]:
    """Take the version prefix off a path; a bare path means the newest version.

    Raises:
        InvalidArgument: the version is not served. Clients print the words as they are.
    """
    match = _PREFIX.fullmatch(path)
    if match is None:
        return MAXIMUM, path
    version = Version(int(match[1]), int(match[2]))
    if version > MAXIMUM:
        raise InvalidArgument(
            f"client version {version} is too new. Maximum supported API version is {MAXIMUM}"
        )
    if version < MINIMUM:
        raise InvalidArgument(
            f"client version {version} is too old. Minimum supported API version is {MINIMUM}, "
            "please upgrade your client to a newer version"
        )
    return version, match[3]
