"""`linux.intelRdt`: a group of the resctrl file system, where this host has one."""

import re

from engine.errors import InvalidArgument, Unsupported
from engine.runtime import resctrl
from engine.runtime.fields import Fields

_GROUP = re.compile(r"(?!\.\.?\Z|info\Z|mon_groups\Z|mon_data\Z)[^/\n]+", re.ASCII)


def compile_resctrl(linux: Fields, container_id: str) -> tuple[str, str, bool]:
    """The group, its lines of schemata, and whether the configuration named it."""
    wanted = linux.object("intelRdt")
    lines = [*_cache(wanted), *_bandwidth(wanted)]
    for key in ("enableCMT", "enableMBM"):
        wanted.boolean(key)  # measuring is what every group does
    named = wanted.text("closID")
    if named and not _GROUP.fullmatch(named):
        raise InvalidArgument(f"{wanted.path}.closID: must name one directory, got {named!r}")
    if not resctrl.mounted():
        raise Unsupported(f"{wanted.path}: no resctrl file system is mounted at {resctrl.ROOT}")
    return named or container_id, "\n".join(lines), bool(named)


def _cache(wanted: Fields) -> list[str]:
    """Its lines of another resource give way to the one that has a field of its own."""
    lines = [line for line in wanted.text("l3CacheSchema").splitlines() if line.strip()]
    if wanted.text("memBwSchema"):
        lines = [line for line in lines if not line.startswith("MB:")]
    return lines


def _bandwidth(wanted: Fields) -> list[str]:
    line = wanted.text("memBwSchema")
    if line and (not line.startswith("MB:") or "\n" in line):
        raise InvalidArgument(f"{wanted.path}.memBwSchema: must be one line MB:…, got {line!r}")
    return [line] if line else []
