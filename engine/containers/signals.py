"""Signals by name or number, in Docker's spelling."""

import re
import signal

from engine.errors import InvalidArgument

_RELATIVE = re.compile(r"RT(MIN|MAX)(?:([+-])(\d{1,2}))?")
_ALIASES = {"CLD": signal.SIGCHLD, "IOT": signal.SIGABRT, "POLL": signal.SIGIO}


def parse(text: str) -> int:
    """`SIGHUP`, `hup`, `1` and `RTMIN+3` to a number.

    Raises:
        InvalidArgument: Linux has no such signal.
    """
    name = text.strip().upper()
    if name.isascii() and name.isdigit() and len(name) < 10:
        return _numbered(int(name), text)
    name = name.removeprefix("SIG")
    known = signal.Signals.__members__.get(f"SIG{name}") or _ALIASES.get(name)
    return int(known) if known else _relative(name, text)


def _numbered(number: int, text: str) -> int:
    if not 1 <= number <= signal.SIGRTMAX:
        raise InvalidArgument(f"invalid signal: {text}")
    return number


def _relative(name: str, text: str) -> int:
    match = _RELATIVE.fullmatch(name)
    if match is None:
        raise InvalidArgument(f"invalid signal: {text}")
    base = signal.SIGRTMIN if match[1] == "MIN" else signal.SIGRTMAX
    number = base + int(f"{match[2] or '+'}{match[3] or 0}")
    if not signal.SIGRTMIN <= number <= signal.SIGRTMAX:
        raise InvalidArgument(f"invalid signal: {text}")
    return int(number)
