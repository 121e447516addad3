"""`linux.namespaces` with what depends on them: id mappings and clock offsets."""

import os
from typing import NamedTuple

from engine.errors import InvalidArgument
from engine.runtime import namespaces, plan, syscalls
from engine.runtime.fields import Fields

LARGEST_ID = 2**32 - 2  # the last one says "no id" to the kernel
_MOST_MAPPINGS = 340  # user_namespaces(7)
_CLOCKS = ("monotonic", "boottime")

# What is made with the container's first process, without the help of another.
_USUAL = (
    syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWCGROUP
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWNET
    | syscalls.CLONE_NEWUSER
)


class Namespaces(NamedTuple):
    """The namespaces of a container, as CLONE_NEW* flags."""

    unshare: int
    join: tuple[tuple[int, str], ...]
    uids: plan.Mappings
    gids: plan.Mappings
    time_offsets: tuple[tuple[str, int, int], ...]

    @property
    def owned(self) -> int:
        """Those that are not the runtime's own."""
        flags = self.unshare
        for flag, path in self.join:
            if not _is_own(flag, path):
                flags |= flag
        return flags

    @property
    def unusual(self) -> bool:
        return bool(self.unshare & ~_USUAL)

    def check_user(self, process: plan.ExecPlan) -> None:
        """Ids that the user namespace has not are refused here, with their field's name."""
        if not self.unshare & syscalls.CLONE_NEWUSER:
            return
        listed = enumerate(process.groups)
        named = [("gid", process.gid), *((f"additionalGids[{at}]", gid) for at, gid in listed)]
        wanted = [("uid", process.uid, self.uids, "uidMappings")]
        wanted += [(name, gid, self.gids, "gidMappings") for name, gid in named]
        for name, number, mappings, field in wanted:
            if not _maps(mappings, number):
                text = f"process.user.{name}: {number} is not mapped by linux.{field}"
                raise InvalidArgument(text)


def compile_namespaces(linux: Fields, warnings: list[str]) -> Namespaces:
    """Raises InvalidArgument; mappings for a namespace that has its own are a warning."""
    unshare, join = _namespaces(linux)
    joined = sum(flag for flag, _ in join)
    if not (unshare | joined) & syscalls.CLONE_NEWNS:
        raise InvalidArgument("linux.namespaces: a mount namespace is required")
    uids, gids = mappings(linux, "uidMappings"), mappings(linux, "gidMappings")
    if unshare & syscalls.CLONE_NEWUSER:
        _require_root(uids, "linux.uidMappings")
        _require_root(gids, "linux.gidMappings")
    elif (uids or gids) and not joined & syscalls.CLONE_NEWUSER:
        raise InvalidArgument("linux.uidMappings: needs a user namespace in linux.namespaces")
    elif uids or gids:
        warnings.append("linux.uidMappings: the user namespace that is joined has its own")
        uids = gids = ()
    return Namespaces(unshare, join, uids, gids, _offsets(linux, unshare))


def _namespaces(linux: Fields) -> tuple[int, tuple[tuple[int, str], ...]]:
    unshare, join, seen = 0, [], set()
    for each in linux.objects("namespaces"):
        kind = each.text("type")
        if kind not in namespaces.FLAGS:
            raise InvalidArgument(f"{each.path}.type: unknown namespace {kind!r}")
        if kind in seen:
            raise InvalidArgument(f"{each.path}.type: {kind!r} is given twice")
        seen.add(kind)
        if each.text("path"):
            join.append((namespaces.FLAGS[kind], each.absolute("path")))
        else:
            unshare |= namespaces.FLAGS[kind]
    return unshare, tuple(join)


def mappings(fields: Fields, name: str) -> plan.Mappings:
    """The rows of `uidMappings` or `gidMappings`, as uid_map takes them."""
    result: list[tuple[int, int, int]] = []
    for each in fields.objects(name):
        inside = each.needed("containerID", 0, LARGEST_ID)
        outside = each.needed("hostID", 0, LARGEST_ID)
        size = each.needed("size", 1, LARGEST_ID + 1)
        for key, first in (("containerID", inside), ("hostID", outside)):
            if first + size - 1 > LARGEST_ID:
                raise InvalidArgument(f"{each.path}.size: {size} ids from {key} {first} on end")
        result.append((inside, outside, size))
    _check_apart(result, fields.at(name))
    return tuple(result)


def _check_apart(rows: list[tuple[int, int, int]], path: str) -> None:
    if len(rows) > _MOST_MAPPINGS:
        raise InvalidArgument(f"{path}: the kernel takes {_MOST_MAPPINGS}, got {len(rows)}")
    for side, key in enumerate(("containerID", "hostID")):
        end = -1
        for index in sorted(range(len(rows)), key=lambda index: rows[index][side]):
            if rows[index][side] <= end:
                text = f"{path}[{index}].{key}: {rows[index][side]} is mapped twice"
                raise InvalidArgument(text)
            end = rows[index][side] + rows[index][2] - 1


def _require_root(rows: plan.Mappings, path: str) -> None:
    if not rows:
        raise InvalidArgument(f"{path}: missing, and linux.namespaces has a new user namespace")
    if not _maps(rows, 0):
        raise InvalidArgument(f"{path}: id 0 of the container is not mapped")


def _maps(rows: plan.Mappings, number: int) -> bool:
    return any(inside <= number < inside + size for inside, _, size in rows)


def _offsets(linux: Fields, unshare: int) -> tuple[tuple[str, int, int], ...]:
    offsets = linux.object("timeOffsets")
    if offsets.value and not unshare & syscalls.CLONE_NEWTIME:
        raise InvalidArgument("linux.timeOffsets: needs a new time namespace in linux.namespaces")
    result = []
    for clock in offsets.value:
        if clock not in _CLOCKS:
            words = " ".join(_CLOCKS)
            raise InvalidArgument(f"linux.timeOffsets: must be of {words}, got {clock!r}")
        each = offsets.object(clock)
        seconds = each.number("secs", 0, -(2**63), 2**63 - 1)
        result.append((clock, seconds, each.number("nanosecs", 0, 0, 999_999_999)))
    return tuple(result)


def _is_own(flag: int, path: str) -> bool:
    """Whether a path leads to the runtime's own namespace, whose settings are the host's."""
    name = next(name for name, each in namespaces.FILES.items() if each == flag)
    try:
        its, own = os.stat(path), os.stat(f"/proc/self/ns/{name}")
    except OSError:
        return False  # joining it will say what is wrong
    return (its.st_dev, its.st_ino) == (own.st_dev, own.st_ino)
