"""Graphs over time with axis, unit, limit line and current value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.render.text import clip
from tui.widgets import palette
from tui.widgets.braille import area, buckets, round_top, span_for

AXIS = 8
Unit = Callable[[float], str]
Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Trace:
    """What a graph shows now.

    ``newest`` is the number of the last sample (its time over the interval); ``limit`` draws a
    line and caps the axis; ``notes`` stand right of the title, as many as there is room for;
    ``below`` is a second series for a `MirrorGraph`.
    """

    values: Values = ()
    newest: int = 0
    limit: float | None = None
    notes: tuple[str, ...] = ()
    below: Values = ()


class Graph(Widget):
    """Braille area of the samples there are, up to ten minutes."""

    DEFAULT_CSS = "Graph { height: 1fr; min-height: 3; }"

    def __init__(
        self,
        title: str,
        tone: str,
        unit: Unit,
        *,
        binary: bool = False,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.title = title
        self.tone = tone
        self.unit = unit
        self.binary = binary
        self.trace = Trace()
        self._lines: list[str] = []
        self._top = 1.0
        self._span = 0
        self._shape: tuple[int, int] = (0, 0)

    def show(self, trace: Trace) -> None:
        """Draw this, if it differs from what is drawn."""
        if trace != self.trace:
            self.trace = trace
            self._shape = (0, 0)
            self.refresh()

    # -- layout -------------------------------------------------------------------------------

    @property
    def _rows(self) -> int:
        return max(1, self.size.height - 2)

    @property
    def _columns(self) -> int:
        return max(1, self.size.width - AXIS - 1)

    def _plot(self) -> None:
        shape = (self._columns, self._rows)
        if self._shape != shape:
            self._shape = shape
            self._span = span_for(len(self.trace.values))
            self._lines = self._plotted()

    def _heights(self, values: Values) -> list[float | None]:
        return buckets(values, self._columns * 2, self._span, self.trace.newest)

    def _plotted(self) -> list[str]:
        heights = self._heights(self.trace.values)
        self._top = self._axis_top(heights)
        return area(heights, self._rows, self._top)

    @property
    def silence(self) -> str:
        """Why there is nothing to draw; empty when there is something."""
        if any(value is not None for value in (*self.trace.values, *self.trace.below)):
            return ""
        return "not measured here" if self.trace.values else "no data yet"

    def _axis_top(self, heights: Values) -> float:
        high = max((value for value in heights if value is not None), default=0.0)
        limit = self.trace.limit
        if limit and limit / 4 <= high <= limit:
            return limit
        return round_top(high, binary=self.binary)

    # -- drawing ------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """Title, plot rows, time axis."""
        self._plot()
        if y == 0:
            segments = self._title()
        elif y == self.size.height - 1:
            segments = self._time_axis()
        else:
            segments = self._row(y - 1)
        return Strip(segments).adjust_cell_length(self.size.width, self.rich_style)

    def _style(self, tone: str, *, bold: bool = False) -> Style:
        return self.rich_style + palette.tone(self, tone, bold=bold)

    def _title(self) -> list[Segment]:
        figure = newest(self.trace.values, self.unit)
        return self._titled([(self.title, "dim"), (f"  {figure}", self.tone)])

    def _titled(self, parts: list[tuple[str, str]]) -> list[Segment]:
        room = self.size.width - AXIS - sum(cell_len(text) for text, _ in parts)
        segments = [Segment(" " * AXIS, self.rich_style)]
        segments += [
            Segment(text, self._style(tone, bold=tone not in ("dim", "faint")))
            for text, tone in parts
        ]
        for note in self.trace.notes:
            room -= cell_len(note) + 2
            if room < 0:
                break
            segments.append(Segment(f"  {note}", self._style("dim")))
        return segments

    def _row(self, row: int) -> list[Segment]:
        if self.silence:
            return self._silent(row)
        label = self._labels().get(row, "")
        line = self._lines[row] if row < len(self._lines) else ""
        faint = self._style("faint")
        text = f"{clip(label, AXIS - 1):>{AXIS - 1}}{'┤' if label else '│'}"
        return [Segment(text, faint), *self._marked(row, line)]

    def _silent(self, row: int) -> list[Segment]:
        """An axis without a scale, and in the middle why."""
        text = self.silence if row == self._rows // 2 else ""
        axis = Segment(" " * (AXIS - 1) + "│", self._style("faint"))
        return [axis, Segment(f"{text:^{self._columns}}", self._style("dim"))]

    def _marked(self, row: int, line: str) -> list[Segment]:
        """The plot line, with the limit shown as dashes where the area leaves room."""
        style = self._style(self._tone_of(row))
        if row != self._limit_row():
            return [Segment(line, style)]
        dash = self._style("faint")
        return [Segment("╌", dash) if char == " " else Segment(char, style) for char in line]

    def _tone_of(self, row: int) -> str:
        return self.tone

    def _limit_row(self) -> int | None:
        limit = self.trace.limit
        if not limit or limit > self._top * 1.001:
            return None
        return self._rows - 1 - round(limit / self._top * (self._rows - 1))

    def _labels(self) -> dict[int, str]:
        rows = self._rows
        labels = {rows - 1: self.unit(0), 0: self.unit(self._top)}
        if rows >= 5:
            labels[rows // 2] = self.unit(self._top / 2)
        return labels

    def _time_axis(self) -> list[Segment]:
        line = ["─"] * self._columns
        if self._columns >= 24:
            marks = {0: ago(self._span), self._columns // 2: ago(self._span / 2)}
            marks[self._columns - 3] = "now"
            for spot, label in marks.items():
                line[spot : spot + len(label)] = label
        text = " " * (AXIS - 1) + "└" + "".join(line[: self._columns])
        return [Segment(text, self._style("faint"))]


class MirrorGraph(Graph):
    """Two series on one scale: the first grows upwards, the second hangs below it."""

    DEFAULT_CSS = "MirrorGraph { height: 1fr; min-height: 4; }"

    def __init__(
        self,
        title: str,
        tone: str,
        unit: Unit,
        *,
        names: tuple[str, str],
        tone_below: str,
        id: str | None = None,
    ) -> None:
        super().__init__(title, tone, unit, binary=True, id=id)
        self.names = names
        self.tone_below = tone_below

    @property
    def _upper(self) -> int:
        return max(1, (self._rows + 1) // 2)

    def _plotted(self) -> list[str]:
        upper, lower = self._heights(self.trace.values), self._heights(self.trace.below)
        self._top = self._axis_top([*upper, *lower])
        above = area(upper, self._upper, self._top)
        return above + area(lower, self._rows - self._upper, self._top, inverted=True)

    def _title(self) -> list[Segment]:
        first, second = self.names
        up, down = newest(self.trace.values, self.unit), newest(self.trace.below, self.unit)
        parts = [(f"{self.title}  {first} ", "dim"), (up, self.tone)]
        return self._titled([*parts, (f"  {second} ", "dim"), (down, self.tone_below)])

    def _tone_of(self, row: int) -> str:
        return self.tone if row < self._upper else self.tone_below

    def _labels(self) -> dict[int, str]:
        labels = {0: self.unit(self._top), self._upper - 1: self.unit(0)}
        if self._rows - self._upper > 1:
            labels[self._rows - 1] = self.unit(self._top)
        return labels


def newest(values: Values, unit: Unit) -> str:
    """The last known value, worded."""
    found = next((value for value in reversed(values) if value is not None), None)
    return "—" if found is None else unit(found)


def ago(seconds: float) -> str:
    """``-10m``, ``-2m30s``, ``-45s``."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"-{rest}s"
    return f"-{minutes}m{rest}s" if rest else f"-{minutes}m"
