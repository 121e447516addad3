"""Tables as plain text, for a pipe, a file or a log."""

from collections.abc import Sequence

from tui.render.cells import Cell, Column, Section
from tui.render.text import pad, width

GAP = "  "


def text_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> str:
    """Columns as wide as their widest cell, nothing cut, no trailing blanks."""
    lines = [[column.title for column in columns], *([cell.text for cell in row] for row in rows)]
    widths = [max(width(line[at]) for line in lines) for at in range(len(columns))]
    return "\n".join(_line(columns, line, widths) for line in lines)


def _line(columns: Sequence[Column], texts: Sequence[str], widths: Sequence[int]) -> str:
    parts = (
        pad(text, cells, right=column.align == "right")
        for column, text, cells in zip(columns, texts, widths, strict=True)
    )
    return GAP.join(parts).rstrip()


def text_sections(sections: Sequence[Section]) -> str:
    """Titles, and their lines below them, keys in one column."""
    keys = max((width(key) for section in sections for key, _ in section.rows), default=0)
    return "\n".join(line for section in sections for line in _section(section, keys))


def _section(section: Section, keys: int) -> list[str]:
    rows = [f"  {pad(key, keys)}{GAP}{cell.text}".rstrip() for key, cell in section.rows]
    return [section.title, *rows]
