"""Text from outside made harmless, and cut to a width."""

import re
import unicodedata
from functools import lru_cache

_CONTROL = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_CSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_OSC = re.compile(r"\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)")
_ESCAPE = re.compile(r"\x1b[ -/]*[0-~]")
TAB = 8
ELLIPSIS = "…"


def safe(text: str) -> str:
    """Control characters as pictures (``␛``), bidirectional overrides dropped to ``·``.

    Nothing that a terminal would act on is left, whatever a container wrote.
    """
    return _CONTROL.sub(_picture, text).replace("\t", " ")


def safe_lines(text: str) -> str:
    """`safe`, with line ends kept."""
    return "\n".join(safe(line) for line in text.splitlines())


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "·"


def plain(text: str) -> str:
    """A log line as people read it: colour codes and cursor moves taken out, tabs expanded.

    After a carriage return a terminal would write over the line; what would remain is kept.
    """
    if "\x1b" in text:
        text = _ESCAPE.sub("", _OSC.sub("", _CSI.sub("", text)))
    if "\r" in text:
        text = text.rstrip("\r").rpartition("\r")[2]
    return safe(text.expandtabs(TAB))


def width(text: str) -> int:
    """Terminal cells: wide East Asian characters take two, combining ones none."""
    return len(text) if text.isascii() else sum(_cells(character) for character in text)


@lru_cache(4096)
def _cells(character: str) -> int:
    if unicodedata.combining(character) or character in "\u200b\u200d\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def clip(text: str, cells: int) -> str:
    """The beginning that fits, with an ellipsis when something is missing."""
    if len(text) <= cells and width(text) <= cells:
        return text
    if cells <= 0:
        return ""
    return _head(text, cells - 1) + ELLIPSIS


def clip_middle(text: str, cells: int) -> str:
    """Keeps both ends: for image references, whose tag matters as much as their name."""
    if width(text) <= cells or cells < 5:
        return clip(text, cells)
    front = (cells - 1) // 2
    back = _head(text[::-1], cells - 1 - front)[::-1]
    return _head(text, cells - 1 - width(back)) + ELLIPSIS + back


def _head(text: str, cells: int) -> str:
    used = 0
    for at, character in enumerate(text):
        used += _cells(character)
        if used > cells:
            return text[:at]
    return text


def pad(text: str, cells: int, *, right: bool = False) -> str:
    """Exactly ``cells`` wide: clipped or filled, on the left side when ``right``."""
    fitted = clip(text, cells)
    fill = " " * max(0, cells - width(fitted))
    return fill + fitted if right else fitted + fill
