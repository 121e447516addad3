"""Figures as people read them: binary sizes, ages, durations, rates, cores."""

import math
from datetime import datetime

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
UNKNOWN = "—"
_STEPS = (
    (60.0, 1.0, "s"),
    (3600.0, 60.0, "m"),
    (86400.0, 3600.0, "h"),
    (math.inf, 86400.0, "d"),
)


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def size(value: float | None) -> str:
    """``512 B``, ``1.5 KiB``, ``64.0 MiB``, ``128 MiB``: three digits, binary units."""
    if value is None or not _known(value):
        return UNKNOWN
    amount, unit = float(value), 0
    while abs(amount) >= 1023.95 and unit < len(_UNITS) - 1:
        amount /= 1024
        unit += 1
    digits = 0 if unit == 0 or abs(amount) >= 99.95 else 1
    return f"{amount:.{digits}f} {_UNITS[unit]}"


def rate(value: float | None) -> str:
    """Bytes a second; nothing moving is ``0``."""
    if value is None or not _known(value):
        return UNKNOWN
    return "0" if value < 0.5 else f"{size(value)}/s"


def cores(value: float | None) -> str:
    """CPU in cores: ``0.50``; less than a hundredth but something is ``<0.01``."""
    if value is None or not _known(value):
        return UNKNOWN
    if 0 < value < 0.005:
        return "<0.01"
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}"


def percent(value: float | None) -> str:
    """``0%``, ``5.2%``, ``52%``, ``100%``."""
    if value is None or not _known(value):
        return UNKNOWN
    return f"{value:.1f}%" if 0.05 <= value < 9.95 else f"{value:.0f}%"


def count(value: float | None) -> str:
    """A whole number."""
    return UNKNOWN if value is None or not _known(value) else f"{value:.0f}"


def duration(seconds: float | None) -> str:
    """At most two units: ``45s``, ``3m12s``, ``2h5m``, ``3d4h``."""
    if seconds is None or not _known(seconds):
        return UNKNOWN
    left = max(0, int(seconds))
    days, left = divmod(left, 86400)
    hours, left = divmod(left, 3600)
    minutes, left = divmod(left, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (left, "s")]
    while len(parts) > 1 and not parts[0][0]:
        parts.pop(0)
    return "".join(f"{value}{unit}" for value, unit in parts[:2] if value) or "0s"


def age(moment: float | None, now: float) -> str:
    """Time since ``moment`` in one unit, as narrow columns need: ``45s``, ``3m``, ``12d``."""
    if not moment:
        return UNKNOWN
    seconds = max(0.0, now - moment)
    for limit, scale, unit in _STEPS:
        if seconds < limit:
            return f"{int(seconds / scale)}{unit}"
    return UNKNOWN


def words(seconds: float) -> str:
    """The docker CLI's wording of a span: ``3 minutes``, ``About an hour``, ``2 weeks``."""
    whole = max(0, int(seconds))
    if whole < 60:
        return _few_seconds(whole)
    minutes, hours = whole // 60, round(whole / 3600)
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    return _many_hours(hours)


def _few_seconds(whole: int) -> str:
    if whole < 1:
        return "Less than a second"
    return "1 second" if whole == 1 else f"{whole} seconds"


def _many_hours(hours: int) -> str:
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{hours // 24 // 365} years"


def clock(moment: float | None) -> str:
    """Local time of day with milliseconds, for log lines."""
    if moment is None:
        return UNKNOWN
    return datetime.fromtimestamp(moment).astimezone().strftime("%H:%M:%S.%f")[:-3]


def date(moment: float | None) -> str:
    """Local date and time to the second."""
    if not moment:
        return UNKNOWN
    return datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")
