"""The ring buffer: order, wrapping, and what "no limit" looks like."""

from engine.metrics.history import CONTAINER, HOST, NAN, SAMPLES, Column, History, row_as_dict

COLUMNS = (Column("t", 3), Column("cores", 4), Column("bytes"))


def test_rows_come_back_as_columns() -> None:
    history = History(COLUMNS)
    history.append((1.0, 0.5, 4096))
    history.append((2.0, NAN, 8192))
    assert history.columns() == {"t": [1, 2], "cores": [0.5, None], "bytes": [4096, 8192]}


def test_the_oldest_goes_first() -> None:
    history = History(COLUMNS)
    for second in range(SAMPLES + 7):
        history.append((float(second), second / 10, second))
    assert len(history) == SAMPLES
    columns = history.columns()
    assert columns["t"] == list(range(7, SAMPLES + 7))
    assert columns["bytes"] == columns["t"]


def test_times_and_pages_are_exact() -> None:
    history = History(COLUMNS)
    history.append((1795191617.716, 0.12345, (64 << 30) - 4096))
    assert history.columns() == {
        "t": [1795191617.716],
        "cores": [0.1235],
        "bytes": [(64 << 30) - 4096],
    }


def test_one_row_by_name() -> None:
    assert row_as_dict(COLUMNS, (1.0, NAN, 3.0)) == {"t": 1.0, "cores": None, "bytes": 3}


def test_names_agreed_with_the_terminal() -> None:
    shared = {"t", "cpu_cores", "memory_bytes", "memory_limit", "pids", "net_rx_bps"}
    assert shared <= {column.name for column in CONTAINER}
    assert shared <= {column.name for column in HOST}
