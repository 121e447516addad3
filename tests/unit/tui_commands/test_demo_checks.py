"""When the demo may say that its CPU burner is held at its quota."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tui.commands.demo.cast import QUOTA
from tui.commands.demo.checks import Witness
from tui.models import HostSample, Sample


def nothing(*_: Any, **__: Any) -> None:
    """Takes what is to be called later."""


def witness(host_percent: float, *samples: Sample) -> Witness:
    watched = SimpleNamespace(watch=nothing, items={})
    host = HostSample(t=0.0, cpu_cores=host_percent / 50, cpu_total=2.0)
    series: Callable[[str], tuple[Sample, ...]] = lambda _key: samples  # noqa: E731
    metrics = SimpleNamespace(watch=nothing, series=series, host=SimpleNamespace(latest=host))
    hub: Any = SimpleNamespace(containers=watched, events=watched, metrics=metrics)
    return Witness(hub, {"burner": "b"})


def used(cores: float, *, throttled: float = 0.0, limit: float = QUOTA) -> list[Sample]:
    reading = Sample(t=0.0, cpu_cores=cores, cpu_limit=limit, throttled_percent=throttled)
    return [reading] * 3


@pytest.mark.parametrize(
    ("host_percent", "samples", "seen"),
    [
        (30, used(QUOTA), True),
        (100, used(QUOTA), True),
        (30, used(QUOTA / 2, throttled=40.0), False),  # there was processor left for it
        (100, used(QUOTA / 2, throttled=40.0), True),
        (100, used(QUOTA / 2), False),  # nothing shows that there is a quota
        (100, used(QUOTA * 1.5, throttled=40.0), False),
        (30, used(QUOTA, limit=1.0), False),
        (30, used(QUOTA)[:2], False),
    ],
)
def test_the_burner_is_held_at_its_quota(
    host_percent: float, samples: list[Sample], seen: bool
) -> None:
    assert witness(host_percent, *samples).burner().seen is seen
