"""Ring buffers: the last samples of one container or of the host."""

import math
from array import array
from collections.abc import Sequence
from typing import Literal, NamedTuple

SAMPLES = 600


class Column(NamedTuple):
    """A figure and how it leaves: `digits` behind the point, 0 for whole numbers."""

    name: str
    digits: int = 0


CONTAINER = (
    Column("t", 3),
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
    Column("t", 3),
    Column("cpu_cores", 4),
    Column("cpu_total"),
    Column("load1", 2),
    Column("load5", 2),
    Column("load15", 2),
    Column("memory_bytes"),
    Column("memory_limit"),
    Column("swap_bytes"),
    Column("pids"),
    Column("block_read_bps"),
    Column("block_write_bps"),
    Column("net_rx_bps"),
    Column("net_tx_bps"),
    Column("disk_bytes"),
    Column("disk_limit"),
)

Number = int | float | None
NAN = math.nan


class History:
    """The last `SAMPLES` rows, row after row in one array, which is the cheapest to append to.

    NaN stands for "no limit" and leaves as None. 4-byte floats (`f`) hold every whole page up to
    64 GiB, and a thousand containers in some 35 MB; the first column is the clock, which needs 8.
    """

    __slots__ = ("_code", "_columns", "_next", "_times", "_values")

    def __init__(self, columns: Sequence[Column], code: Literal["f", "d"] = "f") -> None:
        self._columns = columns
        self._code = code
        self._times: array[float] = array("d")
        self._values: array[float] = array(code)
        self._next = 0

    def __len__(self) -> int:
        return len(self._times)

    def append(self, row: Sequence[float]) -> None:
        """Add a row in the order of the columns; the oldest one goes when there are too many."""
        if len(self._times) < SAMPLES:
            self._times.append(row[0])
            self._values.extend(row[1:])
            return
        place, width = self._next, len(self._columns) - 1
        self._times[place] = row[0]
        self._values[place * width : (place + 1) * width] = array(self._code, row[1:])
        self._next = (place + 1) % SAMPLES

    def columns(self) -> dict[str, list[Number]]:
        """Every column by name, oldest sample first."""
        width = len(self._columns) - 1
        kept = [self._times, *(self._values[place::width] for place in range(width))]
        pairs = zip(self._columns, kept, strict=True)
        return {column.name: self._ordered(values, column.digits) for column, values in pairs}

    def _ordered(self, values: "array[float]", digits: int) -> list[Number]:
        return [_number(value, digits) for value in values[self._next :] + values[: self._next]]


def row_as_dict(columns: Sequence[Column], row: Sequence[float]) -> dict[str, Number]:
    """One row by name."""
    pairs = zip(columns, row, strict=True)
    return {column.name: _number(value, column.digits) for column, value in pairs}


def _number(value: float, digits: int) -> Number:
    if value != value:  # noqa: PLR0124 (NaN is what differs from itself, cheaper than a call)
        return None
    return round(value, digits) if digits else round(value)
