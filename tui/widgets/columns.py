"""Column geometry of a table: widths come from the definition and the room there is.

Contents have a say only in columns with ``flex``, which hold names and no figures: the one that
needs room gets it before the one that does not. A changing figure moves nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    ``width`` is its cells at least; columns with ``flex`` share what is left in that proportion,
    up to ``most``. When the terminal is narrow the column with the highest ``rank`` goes first;
    rank 0 stays. A column with a ``fair`` width is cut below it only when there is nothing less
    important left to give up. ``sort`` is the letter that sorts by it, upper case. ``gap`` is
    the blank cells on its right.
    """

    key: str
    title: str
    width: int
    align: Literal["left", "right"] = "left"
    flex: int = 0
    most: int = 999
    fair: int = 0
    rank: int = 0
    sort: str = ""
    gap: int = GAP


@dataclass(frozen=True, slots=True)
class Slot:
    """A column that fits, where it stands and how wide it is; ``index`` is its cell's place."""

    column: Column
    index: int
    x: int
    width: int


def fit(
    columns: Sequence[Column], width: int, wants: Mapping[str, int] | None = None
) -> tuple[Slot, ...]:
    """Choose the columns that fit into ``width`` cells and share out the rest.

    ``wants`` are the cells that the contents of flexible columns need, by key.
    """
    kept = list(enumerate(columns))
    for _, column in sorted(kept, key=lambda item: item[1].rank):
        if column.fair:
            kept = _without_lesser(kept, column.rank, width)
    while len(kept) > 1 and _needed(kept) > width:
        worst = max(kept, key=lambda item: (item[1].rank, item[0]))
        if worst[1].rank == 0:
            break
        kept.remove(worst)
    return _place(kept, _share(kept, width - _needed(kept), wants or {}))


def _without_lesser(
    kept: list[tuple[int, Column]], rank: int, width: int
) -> list[tuple[int, Column]]:
    """Gives up columns above that rank until those up to it have their fair widths."""
    while _total([(max(column.width, column.fair), column) for _, column in kept]) > width:
        worst = max(kept, key=lambda item: (item[1].rank, item[0]))
        if worst[1].rank <= rank:
            break
        kept = [item for item in kept if item is not worst]
    return kept


def _needed(kept: Sequence[tuple[int, Column]]) -> int:
    return _total([(column.width, column) for _, column in kept])


def _total(widths: Sequence[tuple[int, Column]]) -> int:
    """Widths and the gaps between them."""
    last = widths[-1][1].gap if widths else 0
    return sum(cells + column.gap for cells, column in widths) - last


def _share(kept: Sequence[tuple[int, Column]], spare: int, wants: Mapping[str, int]) -> list[int]:
    """First what the contents need, then the rest."""
    widths = [column.width for _, column in kept]
    needs = [min(column.most, wants.get(column.key, 0)) for _, column in kept]
    spare = _grow(kept, widths, spare, needs)
    _grow(kept, widths, spare, [column.most for _, column in kept])
    return widths


def _grow(
    kept: Sequence[tuple[int, Column]], widths: list[int], spare: int, most: Sequence[int]
) -> int:
    """Widens flexible columns up to ``most`` by their ``flex``; what is left over."""
    flexible = [at for at, (_, column) in enumerate(kept) if column.flex and widths[at] < most[at]]
    while spare > 0 and flexible:
        total = sum(kept[place][1].flex for place in flexible)
        given = 0
        for place in flexible:
            column = kept[place][1]
            extra = min(max(1, spare * column.flex // total), most[place] - widths[place])
            extra = min(extra, spare - given)
            widths[place] += extra
            given += extra
        spare -= given
        flexible = [place for place in flexible if widths[place] < most[place]]
        if not given:
            break
    return spare


def _place(kept: Sequence[tuple[int, Column]], widths: Sequence[int]) -> tuple[Slot, ...]:
    slots = []
    x = 0
    for (index, column), width in zip(kept, widths, strict=True):
        slots.append(Slot(column, index, x, width))
        x += width + column.gap
    return tuple(slots)
