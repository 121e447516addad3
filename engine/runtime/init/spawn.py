"""The monitor's side of a start: clone, attach, wait for ready, release.

The order a monitor follows is the same for a container and for an exec session:
``child = spawn(…)``, ``manager.attach(child.pid)``, ``child.attached()``, ``child.wait_ready()``,
``child.start()``. Reap `child.pid` whatever happens; after a failure it has exited or been killed.
"""

import errno
import os
from collections.abc import Sequence
from typing import Any, NoReturn

from engine.runtime import signals, syscalls
from engine.runtime.namespaces import enter_pid_namespace, leave_pid_namespace
from engine.runtime.plan import ExecPlan, InitPlan

from . import steps
from .channel import (
    ATTACHED,
    ERROR,
    HOOKS,
    LISTENER,
    PID,
    READY,
    START,
    TERMINAL,
    Channel,
    StepFailed,
    pair,
)

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
        self.plan: InitPlan | None = None  # of one that was made by `outside`
        self.process: ExecPlan | None = None  # of that, or of an exec session
        self.target = -1  # a pidfd of the container's init, of an exec session

    def fileno(self) -> int:
        """The channel's descriptor, for a selector: readable once ready, failed or dead."""
        return self.channel.fd

    def attached(self, stdio: tuple[int, ...] = ()) -> None:
        """Say that the process is in its cgroup; one that has no cgroup namespace yet makes it now.

        A process that was cloned ahead is given its streams, too.
        """
        try:  # noqa: SIM105 (no monitor pays for contextlib)
            self.channel.send(ATTACHED, fds=stdio)
        except ConnectionError:
            pass  # it failed already and says why in its own message

    def wait_ready(self) -> None:
        """Block until everything is set up but the exec. Raises StepFailed."""
        try:
            self._wait_ready()
        except BaseException:
            if self.terminal is not None:
                os.close(self.terminal)
                self.terminal = None
            raise

    def _wait_ready(self) -> None:
        message, fds = self._receive("init")
        while message[0] != READY:
            if message[0] == TERMINAL:
                (self.terminal,) = fds
            elif message[0] in (HOOKS, LISTENER):
                from . import outside  # nothing that most monitors ever need

                outside.answer(self, message)
            else:
                raise StepFailed("init", 0, f"unexpected message {message[0]!r}")
            message, fds = self._receive("init")
        self.warnings += tuple(message[1])

    def start(self) -> None:
        """Release the exec and block until it has happened. Raises StepFailed."""
        self.release()
        self.executed()

    def release(self) -> None:
        """Have the program executed as soon as all is ready; `executed` tells how that went."""
        try:  # noqa: SIM105 (as above)
            self.channel.send(START)
        except ConnectionError:
            pass  # what `executed` receives tells what happened

    def executed(self) -> None:
        """Block until the exec has happened. Raises StepFailed."""
        received = self._answer("start")
        self.channel.close()
        if received is not None:
            raise _failure(received[0])

    def discard(self) -> None:
        """Kill it and let go of it; whoever is its parent reaps it."""
        syscalls.pidfd_send_signal(self.pidfd, signals.SIGKILL)
        self.close()
        try:  # noqa: SIM105 (as above)
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            pass  # a sibling, which its parent reaps
        os.close(self.pidfd)

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
    if plan.special:
        from . import outside  # nothing that most containers need

        return outside.spawn(plan, stdio, cgroup_fd=cgroup_fd, sibling=sibling, gate=gate)
    own = enter_pid_namespace(plan.join)
    try:
        flags = plan.unshare & ~syscalls.CLONE_NEWCGROUP | sibling * syscalls.CLONE_PARENT
        gated = gate is not None
        return clone(
            lambda channel: steps.run(plan, channel, gated=gated),
            flags,
            stdio,
            gate or (),
            cgroup_fd,
        )
    finally:
        leave_pid_namespace(own)


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
    child = adopt(helper, bound=EXEC_BOUND)
    child.process, child.target = plan, target
    return child


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


def adopt(helper: Child, *, reaped: bool = True, bound: float | None = None) -> Child:
    """The process that `helper` has made in its own place; the helper's end is waited for."""
    try:
        received = helper.channel.receive()
        if received is None:
            raise StepFailed("join", 0, "the process died while it joined the container")
        if received[0][0] != PID:
            raise _failure(received[0])
        pid = int(received[0][1])
        return Child(pid, os.pidfd_open(pid), helper.channel, bound=bound)
    except BaseException:
        helper.close()
        raise
    finally:
        if reaped:
            os.waitpid(helper.pid, 0)
        os.close(helper.pidfd)


def _live(body: steps.Body, stdio: Streams, channel_fd: int, extra: tuple[int, ...]) -> NoReturn:
    try:
        body(Channel(settle_descriptors(stdio, channel_fd, extra)))
    finally:
        os._exit(255)


def settle_descriptors(inherited: Sequence[int], channel: int, extra: Sequence[int]) -> int:
    """Arrange what the program inherits from 0 on, then the channel and `extra`; close the rest."""
    wanted = (*inherited, channel, *extra)
    first_free = max(len(wanted), *wanted) + 1
    moved = []
    for offset, fd in enumerate(wanted):
        os.dup2(fd, first_free + offset, inheritable=False)
        moved.append(first_free + offset)
    for number, fd in enumerate(moved):
        os.dup2(fd, number, inheritable=number < len(inherited))
    syscalls.close_range(len(wanted))
    return len(inherited)
