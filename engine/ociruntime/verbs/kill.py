"""`kill`: a signal for the first process of a container, or for all of them."""

import os
from _signal import SIGKILL, pidfd_send_signal  # type: ignore[import-not-found]

from engine.errors import NotRunning
from engine.ociruntime import numbers, record, store
from engine.ociruntime.commands import Call
from engine.ociruntime.record import Record
from engine.ociruntime.store import Store
from engine.runtime import signals


def run(call: Call) -> int:
    arguments = call.options.arguments
    number = numbers.signal_number(arguments[1] if len(arguments) > 1 else "TERM")
    kept = Store(call.common.text("root") or store.default_root()).find(call.container_id)
    if call.options.flag("all"):
        _kill_all(kept, number)
    else:
        _kill(kept, number)
    return 0


def _kill(kept: Record, number: int) -> None:
    frozen = number == SIGKILL and kept.alive() and kept.is_frozen()
    try:
        process = signals.pidfd_open(kept.pid) if kept.pid else -1
    except ProcessLookupError:
        process = -1
    try:
        if process < 0 or not kept.alive():  # asked only now: the descriptor is of that process
            raise NotRunning("container not running")
        pidfd_send_signal(process, number)
    finally:
        if process >= 0:
            os.close(process)
    if frozen:
        _thaw(kept)  # on v1 even SIGKILL has to wait for that


def _thaw(kept: Record) -> None:
    from engine.ociruntime import groups

    groups.manager(kept).thaw()


def _kill_all(kept: Record, number: int) -> None:
    """Also what the first process left behind; nothing left is nothing to do, as in runc."""
    from engine.ociruntime import groups

    group = groups.manager(kept)
    if not group.exists():
        if not kept.cgroup and kept.alive():  # with it ends its pid namespace, if it has one
            _kill(kept, number)
        return
    for pid in group.pids():
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # ended in the meantime
    if number == SIGKILL and kept.status() == record.PAUSED:
        group.thaw()
