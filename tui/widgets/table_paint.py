"""Drawing a table's lines: titles, rows and headings as styled segments."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.render.cells import Cell
from tui.render.text import clip, pad
from tui.widgets import palette
from tui.widgets.columns import GAP, Slot

GUTTER = 2


@dataclass(frozen=True, slots=True)
class Row:
    """One line. A ``heading`` groups the rows below it and cannot be marked.

    ``strong`` is the place of the cell that names the row.
    """

    key: str
    cells: tuple[Cell, ...]
    heading: bool = False
    strong: int = -1


class Painter:
    """Paints one line for a widget, in the columns that fit."""

    def __init__(self, node: Widget, slots: Sequence[Slot]) -> None:
        self.node = node
        self.slots = slots

    def titles(self, key: str, descending: bool) -> Strip:
        """The line of titles, with an arrow where the rows are sorted."""
        base = self.node.rich_style
        style = base + palette.tone(self.node, "dim")
        segments = [Segment(" " * GUTTER, base)]
        for slot in self.slots:
            segments += self._title(slot, style, slot.column.key == key, descending)
            segments.append(Segment(" " * slot.column.gap, base))
        return Strip(segments).adjust_cell_length(self.node.size.width, base)

    def _title(self, slot: Slot, style: Style, chosen: bool, descending: bool) -> list[Segment]:
        title = slot.column.title
        if chosen:
            title += "↓" if descending else "↑"
            style += palette.tone(self.node, "accent", bold=True)
        text = _set(title, slot)
        letter = slot.column.sort
        at = text.find(letter) if letter else -1
        if at < 0:
            return [Segment(text, style)]
        underline = style + Style(underline=True)
        return [
            Segment(text[:at], style),
            Segment(text[at], underline),
            Segment(text[at + 1 :], style),
        ]

    def row(self, row: Row, *, selected: bool, marked: bool) -> Strip:
        """One row."""
        base = self._background(selected, marked)
        pointer = "▌" if selected and self.node.has_focus else " "
        segments = [
            Segment(pointer, base + palette.tone(self.node, "accent")),
            Segment("✓" if marked else " ", base + palette.tone(self.node, "accent", bold=True)),
        ]
        if row.heading:
            segments += self._heading(row, base)
        else:
            segments += self._fields(row, base)
        return Strip(segments).adjust_cell_length(self.node.size.width, base)

    def _background(self, selected: bool, marked: bool) -> Style:
        name = ""
        if selected:
            name = "cursor-row" if self.node.has_focus else "cursor-row-idle"
        elif marked:
            name = "marked-row"
        if not name:
            return self.node.rich_style
        return self.node.rich_style + palette.tone(self.node, "text", on=name)

    def _fields(self, row: Row, base: Style) -> list[Segment]:
        segments: list[Segment] = []
        for slot in self.slots:
            cell = row.cells[slot.index] if slot.index < len(row.cells) else Cell("")
            strong = slot.index == row.strong
            name = "title" if strong and not cell.style else cell.style
            style = base + palette.tone(self.node, name, bold=strong)
            segments.append(Segment(_set(cell.text, slot), style))
            segments.append(Segment(" " * slot.column.gap, base))
        return segments

    def _heading(self, row: Row, base: Style) -> list[Segment]:
        """The first cell may run into the columns that a heading leaves empty."""
        segments: list[Segment] = []
        slots = self.slots
        filled = [slot for slot in slots[1:] if slot.index < len(row.cells)]
        filled = [slot for slot in filled if row.cells[slot.index].text]
        room = (filled[0].x if filled else self.node.size.width - GUTTER - 1) - GAP
        style = base + palette.tone(self.node, "title", bold=True)
        segments.append(Segment(pad(clip(row.cells[0].text, room), room), style))
        x = room
        for slot in filled:
            cell = row.cells[slot.index]
            segments.append(Segment(" " * (slot.x - x), base))
            segments.append(
                Segment(_set(cell.text, slot), base + palette.tone(self.node, cell.style))
            )
            x = slot.x + slot.width
        return segments


def _set(text: str, slot: Slot) -> str:
    return pad(text, slot.width, right=slot.column.align == "right")
