"""The monitor's side of a start: clone, attach, wait for ready, release.

The order a monitor follows is the same for a container and for an exec session:
``child = spawn(…)``, ``manager.attach(child.pid)``, ``child.attached()``, ``child.wait_ready()``,
``child.start()``. Reap `child.pid` whatever happens; after a failure it has exited or been killed.
"""

import errno
import os
from typing import Any, NoReturn

from engine.runtime import signals, syscalls
from engine.runtime.namespaces import enter_pid_namespace, leave_pid_namespace, write_id_maps
from engine.runtime.plan import ExecPlan, InitPlan

from . import steps
from .channel import ATTACHED, ERROR, PID, READY, START, Channel, StepFailed, pair
from .settings import set_oom_score

Streams = tuple[int, ...]
"""Descriptors that become 0, 1, 2 and so on, and that the program inherits."""

Message = tuple[tuple[Any, ...], list[int]]
EXEC_BOUND = 10.0
"""Seconds. The container's processes see who joins them, and its root user may stop it."""


class Child:
    """A process between its clone and its execve."""

    def __init__(
        self, pid: int, pidfd: int, channel: Channel, *, bound: float | None = None
    ) -> None:
        self.pid = pid  # as the host sees it
        self.bound = bound  # seconds for each of its answers
        self.pidfd = pidfd
        self.channel = channel
        self.terminal: int | None = None  # the pty's master, once ready; the monitor owns it
        self.warnings: tuple[str, ...] = ()

    def fileno(self) -> int:
        """The channel's descriptor, for a selector: readable once ready, failed or dead."""
        return self.channel.fd

    def attached(self, stdio: tuple[int, ...] = ()) -> None:
        """Say that the process is in its cgroup; it makes its cgroup namespace only now.

        A process that was cloned ahead is given its streams, too.
        """
        try:  # noqa: SIM105 (no monitor pays for contextlib)
            self.channel.send(ATTACHED, fds=stdio)
        except ConnectionError:
            pass  # it failed already and says why in its own message

    def wait_ready(self) -> None:
        """Block until everything is set up but the exec. Raises StepFailed."""
        message, fds = self._receive("init")
        if message[0] != READY:
            raise StepFailed("init", 0, f"unexpected message {message[0]!r}")
        self.warnings += tuple(message[1])
        self.terminal = fds[0] if fds else None

    def start(self) -> None:
        """Release the exec and block until it has happened. Raises StepFailed."""
        try:  # noqa: SIM105 (as above)
            self.channel.send(START)
        except ConnectionError:
            pass  # what is received below tells what happened
        received = self._answer("start")
        self.channel.close()
        if received is not None:
            raise _failure(received[0])

    def close(self) -> None:
        """Close the channel; a process that has not been started exits."""
        self.channel.close()

    def _answer(self, step: str) -> Message | None:
        try:
            return self.channel.receive(self.bound)
        except TimeoutError:
            syscalls.pidfd_send_signal(self.pidfd, signals.SIGKILL)
            text = f"the process was stopped or stuck for {self.bound:g} seconds, and was killed"
            raise StepFailed(step, errno.ETIMEDOUT, text) from None

    def _receive(self, step: str) -> Message:
        received = self._answer(step)
        if received is None:
            raise StepFailed(step, 0, "the process died while it was being set up")
        if received[0][0] == ERROR:
            raise _failure(received[0])
        return received


def _failure(message: tuple[Any, ...]) -> StepFailed:
    _, step, errno, text = message
    return StepFailed(step, errno, text)


def spawn(
    plan: InitPlan,
    stdio: Streams,
    *,
    cgroup_fd: int | None = None,
    sibling: bool = False,
    gate: tuple[int, int] | None = None,
) -> Child:
    """Clone a container's init into its new namespaces.

    `stdio` become 0, 1 and 2 (ignored, but for a failing start, when the plan has a terminal).
    With `cgroup_fd` (cgroup v2 only) it is born in that cgroup; a `sibling` is a child of the
    caller's parent. With a `gate` (`gate.make`) `Child.start` leaves it waiting there for
    `gate.release`, and it outlives the caller. Raises OSError when the clone is refused. Call it
    from a single-threaded process only.
    """
    own = enter_pid_namespace(plan.join)
    try:
        flags = plan.unshare & ~syscalls.CLONE_NEWCGROUP | sibling * syscalls.CLONE_PARENT
        gated = gate is not None
        child = clone(
            lambda channel: steps.run(plan, channel, gated=gated),
            flags,
            stdio,
            gate or (),
            cgroup_fd,
        )
    finally:
        leave_pid_namespace(own)
    if plan.unshare & syscalls.CLONE_NEWUSER:
        _set_from_outside(child, plan)
    return child


def spawn_exec(
    plan: ExecPlan,
    stdio: Streams,
    *,
    target: int,
    namespaces: int,
    cgroup_fd: int | None = None,
    orphaned: bool = False,
) -> Child:
    """Clone a process into a running container; it is a child of the caller.

    `target` is a pidfd of the container's init, `namespaces` its `InitPlan.namespaces`. When it
    is to be `orphaned` it outlives the caller. Blocks until the joins are done. Raises StepFailed
    when the container is gone.
    """
    helper = clone(
        lambda channel: steps.run_exec(plan, channel, namespaces, orphaned=orphaned),
        0,
        stdio,
        (target,),
        cgroup_fd,
    )
    try:
        return _adopt(helper.channel)
    except BaseException:
        helper.close()
        raise
    finally:
        os.waitpid(helper.pid, 0)
        os.close(helper.pidfd)


def clone(
    body: steps.Body, flags: int, stdio: Streams, extra: tuple[int, ...], cgroup_fd: int | None
) -> Child:
    """Run `body` in a cloned process that has nothing open but what it is given."""
    ours, theirs = pair()
    try:
        pid, pidfd = syscalls.clone3(flags, cgroup_fd=cgroup_fd)
    except OSError:
        os.close(ours)
        raise
    else:
        if pid == 0:
            _live(body, stdio, theirs, extra)
    finally:
        os.close(theirs)
    return Child(pid, pidfd, Channel(ours))


def _adopt(channel: Channel) -> Child:
    received = channel.receive()
    if received is None:
        raise StepFailed("join", 0, "the process died while it joined the container")
    if received[0][0] != PID:
        raise _failure(received[0])
    pid = int(received[0][1])
    return Child(pid, os.pidfd_open(pid), channel, bound=EXEC_BOUND)


def _set_from_outside(child: Child, plan: InitPlan) -> None:
    """What a process of a user namespace cannot do itself: map its ids, set its OOM score."""
    try:
        write_id_maps(child.pid, plan.uid_mappings, plan.gid_mappings)
        if plan.process.oom_score_adj is not None:
            child.warnings += tuple(set_oom_score(plan.process.oom_score_adj, child.pid))
    except OSError as error:
        os.kill(child.pid, signals.SIGKILL)
        child.close()
        os.waitpid(child.pid, 0)
        os.close(child.pidfd)
        raise StepFailed("user namespace", error.errno or 0, str(error)) from error


def _live(body: steps.Body, stdio: Streams, channel_fd: int, extra: tuple[int, ...]) -> NoReturn:
    try:
        body(Channel(steps.settle_descriptors(stdio, channel_fd, extra)))
    finally:
        os._exit(255)
