"""Reading JSON without the json package, whose regular expressions take longer to load than most
verbs take altogether: its scanner is in C, and used the way `json.loads` uses it.
"""

from _json import make_scanner


class _Settings:
    """What the scanner asks its caller for: plain JSON, nothing made of it."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: dict[str, str] = {}  # noqa: RUF012 (the scanner wants an attribute)


_WHITE = " \t\n\r"


def document(data: bytes) -> object:
    """The value in `data`; None when it is not JSON."""
    try:
        text = data.decode()
        value, end = make_scanner(_Settings)(  # type: ignore[arg-type]
            text, len(text) - len(text.lstrip(_WHITE))
        )
    except (StopIteration, ValueError, RecursionError, SystemError):
        # SystemError: before Python 3.12 the scanner misses the exception that json would have.
        return None
    return value if not text[end:].strip(_WHITE) else None
