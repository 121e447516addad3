"""Times as Docker's clients write them: a date, seconds since the epoch, or how long ago."""

import re
import time
from datetime import UTC, datetime

from engine.errors import InvalidArgument

_PART = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_STAMP = re.compile(r"(\d{1,12})(?:\.(\d{1,9}))?")


def parse(text: str) -> int:
    """Nanoseconds since the epoch of `10m`, `1h30m`, `1700000000.5` or an RFC 3339 date.

    Raises:
        InvalidArgument: it is none of them.
    """
    stamp = _STAMP.fullmatch(text)
    if stamp:
        return int(stamp[1]) * 1_000_000_000 + int((stamp[2] or "").ljust(9, "0"))
    if text and not _PART.sub("", text):
        ago = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
        return time.time_ns() - int(ago * 1e9)
    return _date(text)


def _date(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidArgument(f'failed to parse value as time or duration: "{text}"') from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
