"""One log line to styled text: colours the program asked for, nothing else it asked for."""

import re
from datetime import datetime
from functools import lru_cache

from rich.ansi import AnsiDecoder
from rich.style import Style
from rich.text import Text

from tui.models import LogLine
from tui.render.text import plain, safe

# Longer lines are cut when drawn: a 90,000-character line costs what a short one does.
DRAWN = 4000
_SGR = re.compile(r"\x1b\[[0-9;:]*m")
_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"
    r"|\][^\x07\x1b]*(?:\x07|\x1b\\)?"
    r"|[PX^_][^\x1b]*(?:\x1b\\)?"
    r"|[ -/]*[0-~])"
)
TIME_WIDTH = 13


@lru_cache(maxsize=2000)
def decoded(text: str, first: int, most: int) -> Text:
    """The part of the line that can be seen, from character ``first``."""
    plain_length = len(text)
    cut = text[: (first + most) * 2 + 200] if "\x1b" in text else text[: first + most + 8]
    result = _coloured(cut) if "\x1b" in cut else Text(plain(cut))
    result = result[first : first + most] if first or len(result) > most else result
    if plain_length > len(cut) and len(result) >= most - 24:
        result.append(f" … {plain_length:,} characters", "dim")
    return result


def _last_turn(text: str) -> str:
    """A progress bar rewrites its line with carriage returns: what remains is its last state."""
    return text.rstrip("\r").rpartition("\r")[2] if "\r" in text else text


def _coloured(text: str) -> Text:
    kept = _ESCAPE.sub(lambda match: match[0] if _SGR.fullmatch(match[0]) else "", text)
    kept = _last_turn(kept.replace("\n", " "))
    result = Text()
    for part in AnsiDecoder().decode(kept):
        result.append_text(part)
    clean = safe(result.plain.expandtabs(8))
    return result if clean == result.plain else Text(clean)


@lru_cache(maxsize=2000)
def clock(time: float | None) -> str:
    """Local time of day to the millisecond, as wide as `TIME_WIDTH`."""
    if time is None:
        return " " * TIME_WIDTH
    moment = datetime.fromtimestamp(time)
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d} "


def painted(
    line: LogLine,
    *,
    first: int,
    most: int,
    times: bool,
    time_style: Style,
    error_style: Style,
    match: tuple[re.Pattern[str], Style] | None,
) -> Text:
    """The line as it is drawn, with its time in front and matches marked."""
    body = decoded(line.text, first, most).copy()
    if line.stream == "stderr":
        body.stylize_before(error_style)
    if match is not None:
        expression, style = match
        for found in expression.finditer(body.plain):
            body.stylize(style, *found.span())
    if times:
        return Text.assemble((clock(line.time), time_style), body)
    return body
