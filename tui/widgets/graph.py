"""A graph over time with axis, unit, limit line and current value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.render.text import clip
from tui.widgets import palette
from tui.widgets.braille import area, buckets, round_top

AXIS = 8


@dataclass(frozen=True, slots=True)
class Trace:
    """What a graph shows now.

    ``newest`` is the number of the last sample (its time over the interval); ``limit`` draws a
    line and caps the axis; ``note`` stands right of the title.
    """

    values: Sequence[float | None] = ()
    newest: int = 0
    limit: float | None = None
    note: str = ""
    pinned: bool = False


class Graph(Widget):
    """Braille area of the last ``span`` samples; ``inverted`` hangs from the top."""

    DEFAULT_CSS = "Graph { height: 1fr; min-height: 3; }"

    def __init__(
        self,
        title: str,
        tone: str,
        unit: Callable[[float], str],
        *,
        span: int = 600,
        binary: bool = False,
        inverted: bool = False,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.title = title
        self.tone = tone
        self.unit = unit
        self.span = span
        self.binary = binary
        self.inverted = inverted
        self.trace = Trace()
        self._lines: list[str] = []
        self._top = 1.0
        self._shape: tuple[int, int] = (0, 0)

    def show(self, trace: Trace) -> None:
        """Draw this, if it differs from what is drawn."""
        if trace != self.trace:
            self.trace = trace
            self._shape = (0, 0)
            self.refresh()

    @property
    def _rows(self) -> int:
        return max(1, self.size.height - 2)

    def _plot(self) -> None:
        width = max(1, self.size.width - AXIS)
        if self._shape == (width, self._rows):
            return
        self._shape = (width, self._rows)
        trace = self.trace
        heights = buckets(trace.values, width * 2, self.span, trace.newest)
        self._top = self._axis_top(heights)
        self._lines = area(heights, self._rows, self._top, inverted=self.inverted)

    def _axis_top(self, heights: Sequence[float | None]) -> float:
        high = max((value for value in heights if value is not None), default=0.0)
        limit = self.trace.limit
        if limit and (self.trace.pinned or high >= limit / 4):
            return max(limit, high)
        return round_top(high, binary=self.binary)

    def render_line(self, y: int) -> Strip:
        """Title, plot rows, time axis."""
        self._plot()
        if y == 0:
            return self._fill(self._title())
        if y == self.size.height - 1:
            return self._fill(self._time_axis())
        return self._fill(self._row(y - 1))

    def _fill(self, segments: list[Segment]) -> Strip:
        base = self.rich_style
        return Strip([*segments]).adjust_cell_length(self.size.width, base)

    def _style(self, tone: str, *, bold: bool = False) -> Style:
        return self.rich_style + palette.tone(self, tone, bold=bold)

    def _title(self) -> list[Segment]:
        values = self.trace.values
        now = next((value for value in reversed(values) if value is not None), None)
        figure = "—" if now is None else self.unit(now)
        space = " " * (AXIS - 1) + " "
        room = self.size.width - AXIS - len(self.title) - len(figure) - 4
        return [
            Segment(space, self.rich_style),
            Segment(self.title, self._style("dim")),
            Segment("  " + figure, self._style(self.tone, bold=True)),
            Segment("  " + clip(self.trace.note, room), self._style("dim")),
        ]

    def _row(self, row: int) -> list[Segment]:
        label = self._label(row)
        line = self._lines[row] if row < len(self._lines) else ""
        axis = "┤" if label else "│"
        segments = [
            Segment(f"{clip(label, AXIS - 1):>{AXIS - 1}}", self._style("faint")),
            Segment(axis, self._style("faint")),
        ]
        return segments + self._marked(row, line)

    def _marked(self, row: int, line: str) -> list[Segment]:
        """The plot line, with the limit shown as dots where the area leaves room."""
        if row != self._limit_row():
            return [Segment(line, self._style(self.tone))]
        segments = []
        for char in line:
            empty = char == " "
            shown = "╌" if empty else char
            segments.append(Segment(shown, self._style("bad" if empty else self.tone)))
        return segments

    def _limit_row(self) -> int | None:
        limit = self.trace.limit
        if not limit or limit > self._top * 1.001:
            return None
        share = round(limit / self._top * (self._rows - 1))
        return share if self.inverted else self._rows - 1 - share

    def _label(self, row: int) -> str:
        first, last = self.unit(self._top), self.unit(0)
        marks = {0: last, self._rows - 1: first} if self.inverted else {0: first}
        if not self.inverted:
            marks[self._rows - 1] = last
        if self._rows >= 5:
            marks[self._rows // 2] = self.unit(
                self._top * (self._rows - 1 - self._rows // 2) / (self._rows - 1)
            )
        if self._rows == 1:
            return first
        return marks.get(row, "")

    def _time_axis(self) -> list[Segment]:
        width = max(1, self.size.width - AXIS)
        minutes = self.span // 60
        line = ["─"] * width
        labels = [f"-{minutes}m", f"-{minutes // 2}m", "now"]
        spots = [0, width // 2 - 1, width - 3]
        if width >= 24:
            for spot, label in zip(spots, labels, strict=True):
                line[spot : spot + len(label)] = label
        text = " " * (AXIS - 1) + "└" + "".join(line[:width])
        return [Segment(text, self._style("faint"))]
