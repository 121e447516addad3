"""`doctor`: what this machine has of what containers need, one line each, and the fix."""

from collections.abc import Iterator

from engine.daemon.checks import cgroups, kernel, places, rootless
from engine.daemon.checks.check import Check
from engine.daemon.options import Options
from engine.daemon.rootless import enter


def examine(options: Options) -> Iterator[Check]:
    yield from kernel.checks()
    if enter.wanted():
        yield from rootless.checks(options)
    yield from cgroups.checks()
    yield from places.checks(options)


def doctor(options: Options) -> int:
    """Print every check; 1 when something is missing without which nothing runs."""
    found = list(examine(options))
    for check in found:
        print(check)
    return int(any(check.needed and not check.passed for check in found))


def warnings() -> tuple[str, ...]:
    """What the engine should tell its clients: it starts with what there is."""
    every = (*kernel.checks(), *cgroups.checks())
    return tuple(check.warning for check in every if not check.passed)
