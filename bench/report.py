"""Series of measurements and the table they are printed as."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Series:
    """Durations of one way to do the work, in milliseconds."""

    name: str
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def p90(self) -> float:
        return sorted(self.values)[min(len(self.values) - 1, int(len(self.values) * 0.9))]


def table(title: str, rows: Sequence[Series], reference: str, unit: str = "ms") -> str:
    """Markdown: median (min / p90) of each series and its ratio to the median of `reference`."""
    base = next(row.median for row in rows if row.name == reference)
    lines = [
        f"### {title}",
        "",
        f"| | median {unit} | min | p90 | n | ÷ {reference} |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        cells = f"{row.median:.2f} | {min(row.values):.2f} | {row.p90:.2f} | {len(row.values)}"
        lines.append(f"| {row.name} | {cells} | {row.median / base:.2f} |")
    return "\n".join(lines) + "\n"
