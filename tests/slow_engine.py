"""The engine with the deadlines of a machine that is `BERTH_TEST_SLOWDOWN` times slower than usual.

    python -m tests.slow_engine run [options of `berth engine run`]

An emulated machine under load needs longer than any host that runs containers.
"""

import os
import sys

from engine.__main__ import main
from engine.containers import restore
from engine.runtime import connection, forkserver, found, handle, launcher

SLOWDOWN = float(os.environ.get("BERTH_TEST_SLOWDOWN") or 1)
COMMAND = (sys.executable, "-m", "engine" if SLOWDOWN == 1 else "tests.slow_engine")
"""What a test starts an engine by."""


def stretch() -> None:
    """Multiply every deadline that this process has for another."""
    forkserver.READY_BOUND *= SLOWDOWN
    forkserver.SEND_BOUND *= SLOWDOWN
    forkserver.END_BOUND *= SLOWDOWN
    connection.REQUEST_BOUND *= SLOWDOWN
    found.TOLD_BOUND *= SLOWDOWN
    handle.GONE_BOUND *= SLOWDOWN
    launcher.CREATE_BOUND *= SLOWDOWN
    launcher.ADOPT_BOUND *= SLOWDOWN
    launcher.GIVE_UP_BOUND *= SLOWDOWN
    restore.BUDGET *= SLOWDOWN


if __name__ == "__main__":
    stretch()
    sys.exit(main())
