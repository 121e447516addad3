"""Rows of the image list, and of an image's history."""

from collections.abc import Iterable

from tui.models import HistoryEntry, Image
from tui.render import units
from tui.render.cells import NOTHING, Cell, Column
from tui.render.text import safe

COLUMNS = (
    Column("name", "REFERENCE", 40),
    Column("id", "ID", 12),
    Column("age", "AGE", 6, "right"),
    Column("size", "SIZE", 10, "right"),
    Column("names", "NAMES", 5, "right"),
    Column("used", "USED BY", 7, "right"),
)
HISTORY_COLUMNS = (
    Column("age", "AGE", 6, "right"),
    Column("size", "SIZE", 10, "right"),
    Column("created_by", "CREATED BY", 60),
    Column("comment", "COMMENT", 24),
)
NO_NAME = Cell("<none>", "muted")


def row(image: Image, now: float, users: int | None = None) -> tuple[Cell, ...]:
    """Cells in the order of ``COLUMNS``; ``users`` is how many containers were made of it."""
    return (
        NO_NAME if image.dangling else Cell(safe(image.name)),
        Cell(image.short_id, "muted"),
        Cell(units.age(image.created, now)),
        Cell(units.size(image.size)),
        Cell(str(len(image.references))),
        NOTHING if users is None else Cell(str(users), "" if users else "muted"),
    )


def users(image: Image, image_ids: Iterable[str]) -> int:
    """How many of the containers' image ids are this image's."""
    return sum(1 for key in image_ids if key == image.id)


def history_row(entry: HistoryEntry, now: float) -> tuple[Cell, ...]:
    """Cells in the order of ``HISTORY_COLUMNS``."""
    return (
        Cell(units.age(entry.created, now)),
        Cell(units.size(entry.size), "" if entry.size else "muted"),
        Cell(safe(" ".join(entry.created_by.split()))),
        Cell(safe(entry.comment), "muted"),
    )


def sort_key(image: Image, column: str) -> tuple[bool, float | str]:
    """A key for sorting by a column."""
    values: dict[str, float | str] = {
        "name": image.name.lower(),
        "id": image.short_id,
        "age": -image.created,
        "size": image.size,
        "names": len(image.references),
        "used": image.containers or 0,
    }
    return (not image.dangling, values.get(column, values["name"]))
