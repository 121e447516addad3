"""Times and words on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.containers.model import State, Status
from engine.dockerapi.codec.stats import system_time_ns
from engine.dockerapi.codec.summary import describe, human_duration
from engine.dockerapi.codec.times import log_stamp, parse, rfc3339
from engine.errors import InvalidArgument

SECOND = 10**9


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", 0),
        ("1795177916", 1795177916 * SECOND),
        ("1795177916.5", 1795177916 * SECOND + 500_000_000),
        ("1.000000006", SECOND + 6),
        ("2024-01-02T03:04:05Z", 1704164645 * SECOND),
        ("2024-01-02T03:04:05.000000006Z", 1704164645 * SECOND + 6),
        ("2024-01-02T03:04:05+01:00", 1704161045 * SECOND),
        ("1h30m", 100_000 * SECOND - 5400 * SECOND),
        ("10s", 100_000 * SECOND - 10 * SECOND),
    ],
)
def test_times_are_read_in_every_form(value: str, expected: int) -> None:
    assert parse("since", value, now_ns=100_000 * SECOND) == expected


@pytest.mark.parametrize("value", ["yesterday", "1.2.3", "5x", "T"])
def test_what_is_no_time_is_named(value: str) -> None:
    with pytest.raises(InvalidArgument, match="since: "):
        parse("since", value)


@given(st.integers(min_value=1, max_value=4 * 10**18))
def test_a_written_time_reads_back_exactly(moment: int) -> None:
    assert parse("t", rfc3339(moment)) == moment
    assert parse("t", log_stamp(moment)) == moment


def test_never_is_year_one() -> None:
    assert rfc3339(0) == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (130, "2 minutes"),
        (3600, "About an hour"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (14 * 24 * 3600, "2 weeks"),
        (60 * 24 * 3600, "2 months"),
        (800 * 24 * 3600, "2 years"),
    ],
)
def test_durations_in_words(seconds: int, words: str) -> None:
    assert human_duration(seconds * SECOND) == words


def test_status_in_words() -> None:
    now = 1000 * SECOND
    begun, ended = 995 * SECOND, 998 * SECOND
    running = State(Status.RUNNING, started_at=begun)
    assert describe(running, now) == "Up 5 seconds"
    assert describe(State(Status.PAUSED, started_at=begun), now) == "Up 5 seconds (Paused)"
    exited = State(Status.EXITED, exit_code=137, finished_at=ended)
    assert describe(exited, now) == "Exited (137) 2 seconds ago"
    assert describe(State(), now) == "Created"


def test_system_time_leaves_out_guest_time() -> None:
    ticks = "cpu  1 2 3 4 5 6 7 8 100 100\ncpu0 0 0\n"
    assert system_time_ns(ticks) == 36 * 10_000_000
