"""Stopping every process of a cgroup at once (freezer-subsystem.rst, cgroup-v2.rst)."""

import select
import time

from engine.errors import RuntimeFailure
from engine.runtime.cgroups import files

V1 = "freezer"

BOUND_S = 10.0
_STEP_S = 0.001


def freeze_v1(directory: str, *, bound: float = BOUND_S) -> None:
    """Freeze and wait for it; raises RuntimeFailure, thawed again, when the bound passes.

    FROZEN is written again at every look, because a process that forks while the state is
    FREEZING can keep the cgroup from ever getting there.
    """
    state, deadline = f"{directory}/freezer.state", time.monotonic() + bound
    while True:
        files.write(state, "FROZEN")
        if files.read(state).strip() == "FROZEN":
            return
        if time.monotonic() > deadline:
            break
        time.sleep(_STEP_S)
    thaw_v1(directory)
    raise RuntimeFailure(f"cgroup {directory} did not freeze within {bound:g} seconds")


def thaw_v1(directory: str) -> None:
    files.write(f"{directory}/freezer.state", "THAWED")


def frozen_v1(directory: str) -> bool:
    return files.read_if_there(f"{directory}/freezer.state").strip() in {"FROZEN", "FREEZING"}


def freeze_v2(directory: str, *, bound: float = BOUND_S) -> None:
    """Freeze and wait for `frozen 1`; raises RuntimeFailure, thawed again, past the bound."""
    files.write(f"{directory}/cgroup.freeze", "1")
    if not wait_for_event(directory, "frozen", 1, bound=bound):
        thaw_v2(directory)
        raise RuntimeFailure(f"cgroup {directory} did not freeze within {bound:g} seconds")


def thaw_v2(directory: str) -> None:
    files.write(f"{directory}/cgroup.freeze", "0")


def frozen_v2(directory: str) -> bool:
    return files.read_if_there(f"{directory}/cgroup.freeze").strip() == "1"


def event(directory: str, key: str) -> int | None:
    """What cgroup.events says of `key`; None when it says nothing."""
    return files.table(files.read_if_there(f"{directory}/cgroup.events")).get(key)


def wait_for_event(directory: str, key: str, value: int, *, bound: float) -> bool:
    """Wait until cgroup.events says `key value`; the file polls as POLLPRI when it changes."""
    deadline = time.monotonic() + bound
    with open(f"{directory}/cgroup.events") as events:
        poll = select.poll()
        poll.register(events, select.POLLPRI)
        while True:
            events.seek(0)
            if files.table(events.read()).get(key) == value:
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            poll.poll(left * 1000)
