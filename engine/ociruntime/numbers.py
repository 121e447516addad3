"""Signals by number or by name, as `kill` takes them."""

import _signal  # type: ignore[import-not-found]

from engine.errors import InvalidArgument


def signal_number(text: str) -> int:
    """15, TERM, SIGTERM or sigterm. Raises InvalidArgument for what is none."""
    if text.isascii() and text.isdigit() and 0 < int(text) < _signal.NSIG:
        return int(text)
    name = text.upper().removeprefix("SIG")
    number = _real_time(name) if name.startswith("RT") else getattr(_signal, f"SIG{name}", None)
    if (not name.isalnum() and not name.startswith("RT")) or not isinstance(number, int):
        raise InvalidArgument(f"unknown signal {text!r}")
    return number


def _real_time(name: str) -> int | None:
    """RTMIN+3, RTMAX-3."""
    base = {"RTMIN": int(_signal.SIGRTMIN), "RTMAX": int(_signal.SIGRTMAX)}.get(name[:5])
    offset = name[5:]
    if base is None or (offset and not (offset[0] in "+-" and offset[1:].isdigit())):
        return None
    number = base + int(offset or "0")
    return number if _signal.SIGRTMIN <= number <= _signal.SIGRTMAX else None
