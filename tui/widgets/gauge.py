"""A bar that says how full something is, with a word when it is too full."""

from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.render.text import clip, pad
from tui.widgets import palette


@dataclass(frozen=True, slots=True)
class Level:
    """``part`` of ``whole``; without a whole there is nothing to fill, and the bar says so."""

    part: float | None = None
    whole: float | None = None
    text: str = ""

    @property
    def share(self) -> float | None:
        """0 to 1, None when it cannot be said."""
        if self.part is None or not self.whole:
            return None
        return max(0.0, min(1.0, self.part / self.whole))


def bar(share: float, width: int) -> str:
    """A line filled to ``share`` of ``width`` cells, in halves; a little is never nothing."""
    halves = max(1 if share > 0 else 0, round(share * width * 2))
    full, rest = divmod(halves, 2)
    return ("━" * full + "╸" * rest)[:width]


class Gauge(Widget):
    """``label ━━━━━━╸───── text``; warns from ``warn`` and alarms from ``alarm``."""

    DEFAULT_CSS = "Gauge { height: 1; }"

    def __init__(
        self,
        label: str,
        tone: str,
        *,
        warn: float = 0.8,
        alarm: float = 0.95,
        label_width: int = 8,
        text_width: int = 30,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.label = label
        self.base_tone = tone
        self.warn = warn
        self.alarm = alarm
        self.label_width = label_width
        self.text_width = text_width
        self.level = Level()

    def show(self, level: Level) -> None:
        """Draw this, if it differs from what is drawn."""
        if level != self.level:
            self.level = level
            self.refresh()

    @property
    def state(self) -> str:
        """``ok``, ``warn`` or ``bad``."""
        share = self.level.share
        if share is None or share < self.warn:
            return "ok"
        return "warn" if share < self.alarm else "bad"

    def _style(self, tone: str, *, bold: bool = False) -> Style:
        return self.rich_style + palette.tone(self, tone, bold=bold)

    def render_line(self, y: int) -> Strip:
        """One line, or nothing below it."""
        width = self.size.width
        if y:
            return Strip.blank(width, self.rich_style)
        room = min(self.text_width, max(12, width // 2))
        length = max(4, width - self.label_width - room - 2)
        segments = [Segment(pad(self.label, self.label_width), self._style("dim"))]
        segments += self._bar(length)
        segments.append(Segment("  " + clip(self._text(), room), self._style("text")))
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _bar(self, length: int) -> list[Segment]:
        share = self.level.share
        if share is None:
            return [Segment("┄" * length, self._style("faint"))]
        tone = {"ok": self.base_tone, "warn": "warn", "bad": "bad"}[self.state]
        filled = bar(share, length)
        rest = "─" * (length - len(filled))
        return [Segment(filled, self._style(tone)), Segment(rest, self._style("line"))]

    def _text(self) -> str:
        flag = {"ok": "", "warn": " high", "bad": " full"}[self.state]
        return f"{self.level.text}{flag}"
