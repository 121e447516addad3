"""A user's own systemd in a cgroup that the machine's systemd delegates, as a login would have it.

The unit is transient and the account exists in `Unprivileged`'s /etc only: the machine keeps
nothing of either.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import SLOWDOWN, eventually
from tests.system.unprivileged import Unprivileged

MANAGER = Path("/lib/systemd/systemd")
BOUND = 30 * SLOWDOWN
_NEEDED = {"cpu", "memory", "pids"}
# What user@.service gets from `User=` and `Delegate=` (cgroups(7), "Delegation"), and a place for
# the user's commands, where a desktop's terminal would be.
_BECOME = """
cd "/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)"
mkdir terminal
for place in . terminal; do
    chown "$0" $place $place/cgroup.procs $place/cgroup.threads $place/cgroup.subtree_control
done
exec "$@"
"""


def missing() -> str:
    """What this machine lacks for it; empty when nothing."""
    controllers = Path("/sys/fs/cgroup/cgroup.controllers")
    if not controllers.exists() or not _NEEDED.issubset(controllers.read_text().split()):
        return "cgroup v2 has no memory, cpu and pids here to delegate: make test-cgroup2 has"
    if not Path("/run/systemd/system").is_dir() or not MANAGER.exists():
        return "nobody delegates: systemd is not process 1 here, make test-cgroup2 has it"
    return ""


@contextmanager
def user_systemd(user: Unprivileged) -> Iterator[None]:
    """Runs as long as the block; `systemd-run --user` of that user finds it."""
    unit = f"berth-user-{user.uid}.service"
    command = user.command(str(MANAGER), "--user", "--unit=basic.target")
    environment = [f"--setenv={name}={value}" for name, value in user.environment.items()]
    _run(
        *("systemd-run", "--quiet", "--collect", f"--unit={unit}", "--property=Delegate=yes"),
        *(*environment, "--", "sh", "-ec", _BECOME, str(user.uid), *command),
    )
    try:
        ready = user.runtime / "systemd" / "private"
        eventually(ready.exists, seconds=30, what="the user's systemd listens")
        place = _run("systemctl", "show", "--property=ControlGroup", "--value", unit).strip()
        user.cgroup = Path(f"/sys/fs/cgroup{place}/terminal")
        yield
    finally:
        _run("systemctl", "stop", unit)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=BOUND, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
    return done.stdout
