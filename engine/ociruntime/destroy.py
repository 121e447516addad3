"""Taking a container apart; shared by `delete` and `run`."""

import os
import select

from engine.errors import RuntimeFailure
from engine.ociruntime import groups, launch, store
from engine.ociruntime.record import Record
from engine.ociruntime.report import Report
from engine.runtime import signals

_BOUND_S = 10.0


def end(kept: Record) -> None:
    """Kill the container's first process, and wait for its end. Raises RuntimeFailure."""
    try:
        process = signals.pidfd_open(kept.pid) if kept.pid else -1
    except ProcessLookupError:
        return
    if process < 0:
        return
    try:
        if kept.alive():
            signals.pidfd_send_signal(process, signals.SIGKILL)
            if kept.is_frozen():
                groups.manager(kept).thaw()
            _wait(process)
    finally:
        os.close(process)


def _wait(process: int) -> None:
    poll = select.poll()
    poll.register(process, select.POLLIN)
    if not poll.poll(_BOUND_S * 1000):
        raise RuntimeFailure("container init still running")


def destroy(kept: Record, report: Report) -> None:
    """Kill what is left in the cgroup, remove cgroup and record; safe to be tried again."""
    if kept.cgroup:
        group = groups.manager(kept)
        group.kill()
        group.remove()
    if kept.made:
        launch.poststop(kept, report)
    store.remove(kept)
