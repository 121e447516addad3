"""Ring buffers: the last samples of one container or of the host, a typed array a column."""

import math
from array import array
from collections.abc import Sequence
from typing import Literal, NamedTuple

SAMPLES = 600


class Column(NamedTuple):
    """A figure and how it is kept: `digits` behind the point, 0 for whole numbers.

    4-byte floats hold every whole page up to 64 GiB and keep 600 samples of a thousand containers
    in some 35 MB; only the clock needs 8.
    """

    name: str
    digits: int = 0
    code: Literal["f", "d"] = "f"


CONTAINER = (
    Column("t", 3, "d"),
    Column("cpu_cores", 4),
    Column("cpu_limit", 4),
    Column("throttled_percent", 2),
    Column("memory_bytes"),
    Column("memory_cache"),
    Column("memory_limit"),
    Column("pids"),
    Column("pids_limit"),
    Column("block_read_bps"),
    Column("block_write_bps"),
    Column("net_rx_bps"),
    Column("net_tx_bps"),
    Column("oom_kills"),
)
HOST = (
    Column("t", 3, "d"),
    Column("cpu_cores", 4),
    Column("cpu_total"),
    Column("load1", 2),
    Column("load5", 2),
    Column("load15", 2),
    Column("memory_bytes"),
    Column("memory_limit", code="d"),
    Column("swap_bytes"),
    Column("pids"),
    Column("block_read_bps"),
    Column("block_write_bps"),
    Column("net_rx_bps"),
    Column("net_tx_bps"),
    Column("disk_bytes", code="d"),
    Column("disk_limit", code="d"),
)

Number = int | float | None
NAN = math.nan


class History:
    """The last `SAMPLES` rows. NaN stands for "no limit" and leaves as None."""

    __slots__ = ("_arrays", "_columns", "_next")

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._arrays: list[array[float]] = [array(column.code) for column in columns]
        self._next = 0

    def __len__(self) -> int:
        return len(self._arrays[0])

    def append(self, row: Sequence[float]) -> None:
        """Add a row in the order of the columns; the oldest one goes when there are too many."""
        if len(self._arrays[0]) < SAMPLES:
            for values, value in zip(self._arrays, row, strict=True):
                values.append(value)
            return
        place = self._next
        for values, value in zip(self._arrays, row, strict=True):
            values[place] = value
        self._next = (place + 1) % SAMPLES

    def columns(self) -> dict[str, list[Number]]:
        """Every column by name, oldest sample first."""
        pairs = zip(self._columns, self._arrays, strict=True)
        return {column.name: self._ordered(column, values) for column, values in pairs}

    def _ordered(self, column: Column, values: "array[float]") -> list[Number]:
        digits = column.digits
        return [_number(value, digits) for value in values[self._next :] + values[: self._next]]


def row_as_dict(columns: Sequence[Column], row: Sequence[float]) -> dict[str, Number]:
    """One row by name."""
    pairs = zip(columns, row, strict=True)
    return {column.name: _number(value, column.digits) for column, value in pairs}


def _number(value: float, digits: int) -> Number:
    if value != value:  # noqa: PLR0124 (NaN is what differs from itself, cheaper than a call)
        return None
    return round(value, digits) if digits else round(value)
