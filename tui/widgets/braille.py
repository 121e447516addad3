"""Time series to rows of braille characters. Pure; knows no widget and no colour."""

from collections.abc import Sequence

Series = Sequence[float | None]

# Dot bits of a braille cell from the bottom up, left column then right.
_LEFT = (0x40, 0x04, 0x02, 0x01)
_RIGHT = (0x80, 0x20, 0x10, 0x08)
SPANS = (60, 120, 300, 600)


def span_for(samples: int) -> int:
    """Samples the graph spans: grows in steps with what there is, so that little fills it too.

    It does not depend on the width, so graphs side by side have one time axis, in round values.
    """
    return next((span for span in SPANS if span >= samples), SPANS[-1])


def buckets(values: Series, columns: int, span: int, newest: int = 0) -> list[float | None]:
    """The last ``span`` samples as ``columns`` peaks, right-aligned.

    With more columns than samples each sample fills several. ``newest`` is the number of the last
    sample since some fixed time: bucket borders are tied to it, so that a graph scrolls by whole
    buckets and never shimmers as samples move across them.
    """
    width = span / max(1, columns)
    result: list[float | None] = [None] * columns
    offset = columns - 1 - _columns_of(newest, width)[1]
    for age, value in enumerate(reversed(values)):
        first, last = (place + offset for place in _columns_of(newest - age, width))
        if last < 0:
            break
        for column in range(max(0, first), last + 1) if value is not None else ():
            held = result[column]
            if held is None or (value is not None and value > held):
                result[column] = value
    return result


def _columns_of(number: int, width: float) -> tuple[int, int]:
    """First and last column of a sample, counted from the same fixed time."""
    first = int(number / width)
    return first, max(first, int((number + 1) / width) - 1)


def area(heights: Series, rows: int, top: float, *, inverted: bool = False) -> list[str]:
    """Filled braille rows, first row uppermost; two values a character, four dots a row."""
    dots = [_dots(value, rows * 4, top) for value in heights]
    if len(dots) % 2:
        dots.insert(0, 0)
    lines = []
    for row in range(rows):
        floor = row * 4 if inverted else (rows - 1 - row) * 4
        cells = zip(dots[::2], dots[1::2], strict=True)
        lines.append("".join(_cell(left - floor, right - floor, inverted) for left, right in cells))
    return lines


def _dots(value: float | None, most: int, top: float) -> int:
    if value is None:
        return 0
    if value <= 0 or top <= 0:
        return 1
    return max(1, min(most, round(value / top * most)))


def _cell(left: int, right: int, inverted: bool) -> str:
    bits = 0
    for column, height in ((_LEFT, left), (_RIGHT, right)):
        dots = tuple(reversed(column)) if inverted else column
        for bit in dots[: max(0, min(4, height))]:
            bits |= bit
    return chr(0x2800 + bits) if bits else " "


def round_top(value: float, *, binary: bool = False) -> float:
    """A round figure at or just above ``value`` for the end of an axis.

    Never less than a tenth of a core, 1 KiB: what hardly moves is not drawn as mountains.
    """
    if value <= (least := 1024.0 if binary else 0.1):
        return least
    base = 1.0
    step = 1024.0 if binary else 10.0
    while base * step <= value:
        base *= step
    while not binary and base > value:
        base /= step
    choices = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024) if binary else (1, 2, 4, 6, 8, 10)
    return next((base * factor for factor in choices if base * factor >= value), value)
