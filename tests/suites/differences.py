"""DIFFERENCES.md as data: on which runtimes a test does not run, or is known to fail, and why."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
KINDS = frozenset({"not asked", "differs"})


@dataclass(frozen=True, slots=True)
class Row:
    """`test` is a file of the suites, or `file::function`; `*` stands for anything."""

    test: str
    runtimes: frozenset[str]
    kind: str
    reason: str

    def says(self, test: str, runtime: str) -> bool:
        named = fnmatchcase(test, self.test) or fnmatchcase(test.partition("::")[0], self.test)
        return named and runtime in self.runtimes


@cache
def rows() -> tuple[Row, ...]:
    """The rows of every table in the file, in order."""
    lines = (HERE / "DIFFERENCES.md").read_text().splitlines()
    cells = [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if "|" in line
    ]
    return tuple(
        Row(row[0].strip("`"), frozenset(row[1].split(", ")), row[2], row[3])
        for row in cells
        if len(row) == 4 and row[0].startswith("`")
    )


def find(test: str, runtime: str) -> Row | None:
    """The first row that speaks of the test on that runtime."""
    return next((row for row in rows() if row.says(test, runtime)), None)
