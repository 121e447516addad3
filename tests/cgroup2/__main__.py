"""Runs test suites on a machine with nothing but cgroup v2.

    python -m tests.cgroup2 [--minutes N] [--quick] [pytest's arguments]

Without arguments it runs `SUITES`, or with --quick what depends on the cgroups most, which is what
CI has time for. BERTH_TEST_RUNTIMES chooses other runtimes than berth's own. The exit code is
pytest's, or 3 when there was none.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.cgroup2 import kernel
from tests.cgroup2.machine import Machine

PROJECT = Path(__file__).parents[2]
DELEGATED = "tests/system/test_rootless_limits.py"
SUITES = (
    DELEGATED,
    "tests/suites/cgroups",
    "tests/suites/runtime_lifecycle",
    "tests/suites/isolation",
    "tests/system/ociruntime/test_ociruntime_user_systemd.py",
)
QUICK = (
    DELEGATED,
    "tests/suites/cgroups",
    "tests/suites/runtime_lifecycle/test_exec.py",
    "tests/suites/runtime_lifecycle/test_life.py",
)
# Whole engines take minutes to be started again and again there.
NOT_QUICK = ("--ignore=tests/suites/cgroups/test_systemd_engine.py",)
# Python runs some ten times slower in an emulated machine: deadlines in tests are stretched by
# this, and tests whose very subject is a time are left out (the marker says so).
SLOWDOWN = 8
NO_RESULT = 3


def main() -> int:
    options, arguments = _options()
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(NO_RESULT))  # unwinds, so that qemu ends
    try:
        code = _run(_command(arguments or _suites(quick=options.quick)), options.minutes * 60)
    except RuntimeError as error:
        sys.exit(f"cgroup2: {error}")
    words = "no result" if code is None else f"pytest's exit code is {code}"
    took, used = time.monotonic() - began, os.times()
    processor = used.children_user + used.children_system
    _echo(f"cgroup2: {words}, after {took:.0f} s ({processor:.0f} s of the processors)")
    return NO_RESULT if code is None else code


def _run(command: list[str], bound: float) -> int | None:
    if os.geteuid() != 0:
        raise RuntimeError("the host's files are shared with the machine as root only")
    with tempfile.TemporaryDirectory(prefix="berth-cgroup2-") as directory:
        machine = Machine(kernel.fetch(), Path(directory), _echo)
        # Interrupted a little earlier, pytest still says what had failed until then.
        within = ["timeout", "--signal=INT", "--kill-after=45", f"{bound * 0.9:.0f}"]
        return machine.run([*within, *command], _environment(), bound=bound)


def _options() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="python -m tests.cgroup2", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="after which it is stopped")
    parser.add_argument("--quick", action="store_true", help="only what depends on cgroups most")
    return parser.parse_known_args()


def _suites(*, quick: bool) -> list[str]:
    chosen = [suite for suite in (QUICK if quick else SUITES) if (PROJECT / suite).exists()]
    return [*chosen, *(NOT_QUICK if quick else ())]


def _command(arguments: list[str]) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", "-m", "not slow and not timing"),
        *(
            "-p",
            "no:cacheprovider",
            "--basetemp",
            "/run/scratch/t",
            "--timeout",
            str(120 * SLOWDOWN),
        ),
        *("--durations", "15", *arguments),
    ]


def _environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name.startswith("BERTH_CRASH_")}
    return {
        **own,
        "PROJECT": str(PROJECT),
        "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "TMPDIR": "/run/scratch/tmp",
        "COLUMNS": "120",
        "PYTHONUNBUFFERED": "1",
        "BERTH_TEST_SLOWDOWN": str(SLOWDOWN),
        "BERTH_TEST_RUNTIMES": os.environ.get("BERTH_TEST_RUNTIMES", "berth"),
    }


def _echo(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
