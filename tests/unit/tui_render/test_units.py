"""Figures as people read them."""

import math

import pytest

from tui.render import units


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (64 << 20, "64.0 MiB"),
        (128 << 20, "128 MiB"),
        (int(1023.99 * 1024), "1.0 MiB"),
        (3 << 40, "3.0 TiB"),
        (None, "—"),
        (math.nan, "—"),
    ],
)
def test_sizes(value: float | None, text: str) -> None:
    assert units.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0.00"), (0.001, "<0.01"), (0.5, "0.50"), (12.34, "12.3"), (None, "—")]
)
def test_cores(value: float | None, text: str) -> None:
    assert units.cores(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0%"), (5.24, "5.2%"), (52.4, "52%"), (99.96, "100%"), (None, "—")]
)
def test_percentages(value: float | None, text: str) -> None:
    assert units.percent(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (45, "45s"), (192, "3m12s"), (7500, "2h5m"), (273600, "3d4h"), (3600, "1h")],
)
def test_durations_have_at_most_two_units(seconds: float, text: str) -> None:
    assert units.duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(59, "59s"), (60, "1m"), (7200, "2h"), (1e6, "11d")])
def test_ages_have_one_unit(seconds: float, text: str) -> None:
    assert units.age(1e9, 1e9 + seconds) == text


def test_an_age_in_the_future_is_nothing() -> None:
    assert units.age(200.0, 100.0) == "0s"
    assert units.age(None, 100.0) == "—"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (180, "3 minutes"),
        (3600, "About an hour"),
        (7200, "2 hours"),
        (72 * 3600, "3 days"),
        (20 * 86400, "2 weeks"),
        (90 * 86400, "3 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_spans_have_dockers_words(seconds: float, text: str) -> None:
    assert units.words(seconds) == text
