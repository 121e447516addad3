"""Reading an engine's JSON: every field may be missing, null or of another engine's making."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_FRACTION = re.compile(r"\.(\d+)")
_YEAR_ONE = "0001-01-01"
LARGEST = 1 << 64
# The last second that can be shown in every time zone: the end of year 9998.
_LAST_SECOND = 253_370_764_799


def text(data: Mapping[str, Any], key: str) -> str:
    """A string field, empty when missing or null."""
    value = data.get(key)
    return "" if value is None else str(value)


def number(data: Mapping[str, Any], key: str) -> int:
    """A whole number, 0 when missing, null, not a number or beyond what a counter can hold."""
    value = data.get(key)
    if not isinstance(value, int | float) or not -LARGEST <= value <= LARGEST:
        return 0
    return int(value)


def section(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object field, empty when missing or null."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def rows(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """A list of objects, empty when missing or null."""
    value = data.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def strings(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of strings; a bare string is a list of one, as old images have it."""
    value = data.get(key)
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def labels(data: Mapping[str, Any], key: str = "Labels") -> dict[str, str]:
    """A string map."""
    return {str(name): str(value) for name, value in section(data, key).items()}


def limit(data: Mapping[str, Any], key: str) -> int | None:
    """A limit, where 0, -1 and null all mean none."""
    value = number(data, key)
    return value if value > 0 else None


def timestamp(value: object) -> float | None:
    """Seconds since the epoch of RFC 3339 with nanoseconds; None for Go's zero time."""
    if isinstance(value, int | float):
        return float(value) if 0 < value <= _LAST_SECOND else None
    if not isinstance(value, str) or not value or value.startswith(_YEAR_ONE):
        return None
    try:
        moment = datetime.fromisoformat(_FRACTION.sub(_micro, value.replace("Z", "+00:00")))
    except ValueError:
        return None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return min(seconds, float(_LAST_SECOND))


def _micro(match: re.Match[str]) -> str:
    return f".{match[1][:6]:0<6}"
