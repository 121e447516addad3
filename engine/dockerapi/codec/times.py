"""Times: nanoseconds inside, RFC 3339 or seconds on the wire."""

import re
import time
from datetime import UTC, datetime, timedelta

from engine.errors import InvalidArgument

NEVER = "0001-01-01T00:00:00Z"

_SECOND = 1_000_000_000
_NUMBER = re.compile(r"(-?\d{1,11})(?:\.(\d{1,9}))?")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9}
_UNITS["h"] = 3600 * 10**9


def rfc3339(nanoseconds: int) -> str:
    """As Go prints it: trailing zeros of the fraction dropped; 0 is year one."""
    if nanoseconds <= 0:
        return NEVER
    fraction = f"{nanoseconds % _SECOND:09d}".rstrip("0")
    return f"{_seconds(nanoseconds)}{'.' if fraction else ''}{fraction}Z"


def log_stamp(nanoseconds: int) -> str:
    """The fixed-width form that log lines carry."""
    return f"{_seconds(nanoseconds)}.{nanoseconds % _SECOND:09d}Z"


def parse(field: str, value: str, now_ns: int | None = None) -> int:
    """Read `since` or `until`: seconds with a fraction, RFC 3339, or a duration back from now.

    Returns:
        Nanoseconds since the epoch; 0 for an empty value.

    Raises:
        InvalidArgument: none of these forms.
    """
    value = value.strip()
    if not value:
        return 0
    if (match := _NUMBER.fullmatch(value)) is not None:
        return int(match[1]) * _SECOND + int((match[2] or "0").ljust(9, "0"))
    duration = _duration(value)
    if duration is not None:
        return (time.time_ns() if now_ns is None else now_ns) - duration
    return _date(field, value)


def seconds_of(date: str) -> int:
    """Whole seconds of an RFC 3339 date of an image; 0 when it has none that can be read."""
    try:
        return _date("created", date) // _SECOND if date else 0
    except InvalidArgument:
        return 0


def _seconds(nanoseconds: int) -> str:
    moment = time.gmtime(nanoseconds // _SECOND)
    return time.strftime("%Y-%m-%dT%H:%M:%S", moment)


def _duration(value: str) -> int | None:
    parts = _DURATION_PART.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        return None
    return int(sum(float(number) * _UNITS[unit] for number, unit in parts))


def _date(field: str, value: str) -> int:
    whole, fraction, zone = _split_fraction(value)
    try:
        moment = datetime.fromisoformat(whole + zone)
    except ValueError:
        raise InvalidArgument(f"{field}: not a time: {value!r}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    elapsed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return elapsed // timedelta(seconds=1) * _SECOND + fraction


def _split_fraction(value: str) -> tuple[str, int, str]:
    """`datetime` reads microseconds only; the clients send nanoseconds."""
    match = re.fullmatch(r"([^.]*)\.(\d{1,9})\d*(.*)", value)
    if match is None:
        return value, 0, ""
    return match[1], int(match[2].ljust(9, "0")), match[3]
