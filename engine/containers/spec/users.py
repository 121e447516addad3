"""Who the process is: names and numbers looked up in the container's own passwd and group.

Follows moby/sys/user (GetExecUser), including its words for what is not found.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from engine.errors import InvalidArgument
from engine.runtime import userns

_MAXIMUM = 2**31 - 1
_DIGITS = 20
"""More of them are refused unread: Python does not convert numbers of any length."""


class Files(Protocol):
    """Where /etc/passwd and /etc/group are read from."""

    def read(self, path: str) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class User:
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/"


@dataclass(frozen=True, slots=True)
class _Account:
    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True, slots=True)
class _Group:
    name: str
    gid: int
    members: tuple[str, ...]


def resolve(files: Files, spec: str, group_add: Iterable[str] = ()) -> User:
    """Who `user[:group]` is, names or numbers; empty means root.

    Raises:
        InvalidArgument: a name that is in neither file, or a number out of range.
    """
    name, _, group = spec.partition(":")
    accounts, groups = _accounts(files), _groups(files)
    account = _account(accounts, name or "0")
    gid = _gid(groups, group) if group else account.gid
    member_of = () if group else (g.gid for g in groups if account.name in g.members)
    added = (_gid(groups, wanted) for wanted in group_add)
    supplementary = tuple(dict.fromkeys((gid, *member_of, *added)))
    return _mapped(User(account.uid, gid, supplementary, account.home or "/"), spec)


def _mapped(user: User, spec: str) -> User:
    """What there is of it in the engine's user namespace (of an engine without root).

    Raises:
        InvalidArgument: the namespace has no such user.
    """
    uids, gids = userns.uids(), userns.gids()
    if not (uids.has(user.uid) and gids.has(user.gid)):
        raise InvalidArgument(
            f"unable to run as user {spec} ({user.uid}:{user.gid}): an engine without root has"
            f" the ids 0 to {min(uids.last, gids.last)}; more come from /etc/subuid and /etc/subgid"
        )
    if userns.single_id():
        return replace(user, groups=())  # where setgroups(2) is refused
    return replace(user, groups=tuple(gid for gid in user.groups if gids.has(gid)))


def _account(accounts: list[_Account], wanted: str) -> _Account:
    for account in accounts:
        if account.name == wanted:
            return account
    number = _number(wanted)
    if number is None:
        raise InvalidArgument(f"unable to find user {wanted}: no matching entries in passwd file")
    by_number = (account for account in accounts if account.uid == number)
    return next(by_number, _Account("", number, 0, "/"))


def _gid(groups: list[_Group], wanted: str) -> int:
    for group in groups:
        if group.name == wanted:
            return group.gid
    number = _number(wanted)
    if number is None:
        raise InvalidArgument(f"unable to find group {wanted}: no matching entries in group file")
    return number


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()):
        return None
    if not _is_id(text):
        raise InvalidArgument(f"uids and gids must be in range 0-{_MAXIMUM}: {text}")
    return int(text)


def _accounts(files: Files) -> list[_Account]:
    rows = _rows(files, "/etc/passwd", 6)
    return [_Account(r[0], int(r[2]), int(r[3]), r[5]) for r in rows if _are_numbers(r[2], r[3])]


def _groups(files: Files) -> list[_Group]:
    rows = _rows(files, "/etc/group", 3)
    return [
        _Group(r[0], int(r[2]), tuple(filter(None, r[3].split(","))) if len(r) > 3 else ())
        for r in rows
        if _are_numbers(r[2])
    ]


def _rows(files: Files, path: str, fields: int) -> list[list[str]]:
    text = (files.read(path) or b"").decode(errors="replace")
    rows = (line.split(":") for line in text.splitlines() if not line.startswith("#"))
    return [row for row in rows if len(row) >= fields]


def _are_numbers(*texts: str) -> bool:
    """Rows with others are passed over: the kernel would cut them to the id of somebody else."""
    return all(text.isascii() and text.isdigit() and _is_id(text) for text in texts)


def _is_id(digits: str) -> bool:
    return len(digits) <= _DIGITS and int(digits) <= _MAXIMUM
