"""Many rounds: what a single one leaves behind adds up until it shows. `make soak`."""

import random

import pytest

from tests.conftest import eventually
from tests.system.conftest import IMAGE
from tests.system.daemons import Daemon
from tests.system.test_survival import footprint

pytestmark = [pytest.mark.root, pytest.mark.slow]

ROUNDS = 100
SPARES = 2 * 10
"""The cgroups of two containers that are made ahead, in each of ten hierarchies."""


@pytest.mark.timeout(1800)
def test_rounds_of_work_with_a_killed_engine_leave_nothing(own_berth: Daemon) -> None:
    chance = random.Random(20)
    own_berth.docker("run", "--rm", IMAGE, "true")
    for number in range(ROUNDS):
        one_round(own_berth, f"r{number}", chance)
    assert own_berth.docker("ps", "-aq").stdout == ""
    eventually(lambda: is_clean(own_berth), seconds=30, what="nothing is left")


def is_clean(daemon: Daemon) -> bool:
    """No mount, no bundle, and no more cgroups than the runtime keeps ready for what comes next."""
    left = footprint(daemon.folder)
    bundles = list((daemon.folder / "run" / "bundles").iterdir())
    return left["mounts"] == 0 and left["cgroups"] <= SPARES and not bundles


def one_round(daemon: Daemon, name: str, chance: random.Random) -> None:
    """A container that counts, an exec in it, a kill; now and then the engine dies meanwhile."""
    daemon.docker(
        "run", "-d", "--name", name, "-m", "64m", IMAGE, "sh", "-c", "seq 1 500; sleep 60"
    )
    if chance.random() < 0.2:
        daemon.kill()
        daemon.start()
    assert daemon.docker("exec", name, "echo", "in").stdout == "in\n"
    eventually(lambda: daemon.docker("logs", name).stdout.endswith("500\n"), what="all lines")
    assert daemon.docker("logs", name).stdout.split() == [str(n) for n in range(1, 501)]
    daemon.docker("kill", name)
    assert daemon.wait_for(name, "exited")["ExitCode"] == 137
    daemon.docker("rm", name)
