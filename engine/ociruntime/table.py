"""Rows of text as columns for a person."""

_LEAST = 12


def render(rows: "tuple[tuple[str, ...], ...]") -> str:
    """Each column as wide as its widest cell; the last one ends its line."""
    widths = [
        max(_LEAST, *(len(cell) + 1 for cell in column)) for column in zip(*rows, strict=True)
    ]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append("".join(cells) + row[-1])
    return "".join(f"{line.rstrip()}\n" for line in lines)
