"""An init cloned before anybody asked for a container, which waits for its plan.

It has new pid, network, uts and ipc namespaces. The mount namespace is made only with the plan: an
earlier one would miss what the host mounted since. What the container is likely to want of /proc,
/dev and /sys is made ahead, too, and kept out of sight.
"""

import marshal
import os
from typing import Any, NoReturn

from engine.runtime import pages, syscalls, userns
from engine.runtime.kit import Kit
from engine.runtime.plan import InitPlan
from engine.runtime.rootfs.stage import Trees, close, make

from . import settings, steps
from .channel import Channel
from .spawn import Child, clone

NAMESPACES = (
    syscalls.CLONE_NEWPID | syscalls.CLONE_NEWNET | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC
)
LARGEST = 48 * 1024
"""Bytes of a plan that still go through the channel in one message."""

_LATER = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWCGROUP
_KILL = 9


def spawn_ahead() -> Child:
    """Clone one as a child of the caller's parent; give it its plan by `assign`."""
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    try:
        return clone(_wait, NAMESPACES | syscalls.CLONE_PARENT, (null, null, null), (), None)
    finally:
        os.close(null)


def suits(plan: InitPlan, payload: bytes) -> bool:
    """Whether what was made ahead is right for `plan` (the value of `payload`).

    Without root there is no way back to namespaces that are the host's.
    """
    if NAMESPACES & ~plan.unshare and userns.rootless():
        return False
    own_pids = bool(plan.unshare & syscalls.CLONE_NEWPID)
    usual = not plan.unshare & ~(NAMESPACES | _LATER) and not plan.special
    return own_pids and usual and len(payload) <= LARGEST


def stage(child: Child, kit: bytes) -> None:
    """Once it is in its cgroup: let it make a kit's trees; no bytes for none."""
    child.channel.send(kit)


def assign(child: Child, payload: bytes, *, staged: bool) -> None:
    """Let it go on as the init of this plan, until `Child.attached`. Raises ConnectionError.

    `staged` says whether the trees it has made are those of the plan's kit.
    """
    outside = os.pidfd_open(os.getpid())
    try:
        child.channel.send(payload, staged, fds=(outside,))
    finally:
        os.close(outside)


def _wait(channel: Channel) -> NoReturn:
    steps.guarded(lambda: _become_init(channel), channel)


def _become_init(channel: Channel) -> None:
    syscalls.set_parent_death_signal(_KILL)
    settings.raise_loopback()
    pages.INIT.take()
    (wanted,), _ = _receive(channel)
    kit = Kit.from_bytes(wanted) if wanted else None
    trees = _stage(kit)
    (payload, staged), (outside,) = _receive(channel)
    if not staged:
        close(trees)
    plan = InitPlan.from_wire(marshal.loads(payload))
    made = NAMESPACES | (kit is not None and kit.own_cgroup) * syscalls.CLONE_NEWCGROUP
    _leave(outside, made & ~plan.unshare)
    syscalls.unshare(plan.unshare & syscalls.CLONE_NEWNS)
    steps.run(plan, channel, trees=trees)


def _receive(channel: Channel) -> tuple[tuple[Any, ...], list[int]]:
    received = channel.receive()
    if received is None:
        os._exit(0)  # nobody needs it any more
    return received


def _stage(kit: Kit | None) -> Trees:
    """No trees when that fails: they are made with the rest then, and whoever asks is told why."""
    try:
        return make(kit) if kit is not None else {}
    except OSError:
        return {}


def _leave(outside: int, unwanted: int) -> None:
    """Return to the namespaces of the process `outside` (a pidfd) where the plan makes none."""
    if unwanted:
        syscalls.setns(outside, unwanted)
    os.close(outside)
