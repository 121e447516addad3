"""Series to graphs of characters; pure, so that a test can read them."""

from collections.abc import Sequence

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII_BLOCKS = " .:-=+*#@"
_LEFT = (0x40, 0x04, 0x02, 0x01)
_RIGHT = (0x80, 0x20, 0x10, 0x08)
BRAILLE = 0x2800

Values = Sequence[float | None]


def ceiling(values: Values, maximum: float | None = None) -> float:
    """The top of the graph: ``maximum`` when given, else the greatest value; never 0."""
    if maximum is not None and maximum > 0:
        return maximum
    return max((value for value in values if value is not None), default=0.0) or 1.0


def fit(values: Values, points: int) -> list[float | None]:
    """The newest ``points`` values, filled with None on the left."""
    newest = list(values[-points:]) if points > 0 else []
    return [None] * (points - len(newest)) + newest


def squeeze(values: Values, points: int) -> list[float | None]:
    """All values in ``points`` buckets, each its greatest, so that no peak is lost."""
    if len(values) <= points or points <= 0:
        return fit(values, points)
    edges = [at * len(values) // points for at in range(points + 1)]
    return [_greatest(values[edges[at] : edges[at + 1]]) for at in range(points)]


def _greatest(values: Values) -> float | None:
    return max((value for value in values if value is not None), default=None)


def sparkline(
    values: Values, width: int, maximum: float | None = None, *, ascii: bool = False
) -> str:
    """One line of eighth blocks, newest at the right; a value above 0 is never blank."""
    ramp = ASCII_BLOCKS if ascii else BLOCKS
    top = ceiling(values, maximum)
    return "".join(ramp[_level(value, top, len(ramp) - 1)] for value in fit(values, width))


def _level(value: float | None, top: float, levels: int) -> int:
    if value is None or value <= 0:
        return 0
    return max(1, min(levels, round(value / top * levels)))


def braille(
    values: Values, width: int, height: int, maximum: float | None = None, *, ascii: bool = False
) -> list[str]:
    """``height`` lines of an area graph, two values a cell and four levels a line."""
    if ascii:
        return _bars(values, width, height, maximum)
    top = ceiling(values, maximum)
    levels = [_level(value, top, height * 4) for value in fit(values, width * 2)]
    return [
        "".join(_cell(levels[at], levels[at + 1], base) for at in range(0, width * 2, 2))
        for base in range((height - 1) * 4, -1, -4)
    ]


def _cell(left: int, right: int, base: int) -> str:
    bits = sum(_LEFT[dot] for dot in range(min(4, max(0, left - base))))
    bits += sum(_RIGHT[dot] for dot in range(min(4, max(0, right - base))))
    return chr(BRAILLE + bits)


def _bars(values: Values, width: int, height: int, maximum: float | None) -> list[str]:
    top = ceiling(values, maximum)
    levels = [_level(value, top, height) for value in fit(values, width)]
    return ["".join("#" if level > base else " " for level in levels) for base in _down(height)]


def _down(height: int) -> range:
    return range(height - 1, -1, -1)


def meter(share: float | None, width: int, *, ascii: bool = False) -> str:
    """A horizontal bar of a share from 0 to 1."""
    full, empty = ("#", "-") if ascii else ("█", "░")
    filled = 0 if share is None else round(max(0.0, min(1.0, share)) * width)
    return full * filled + empty * (width - filled)
