"""One exec session: a further process in the container, with its own streams and exit code."""

import os
from collections.abc import Callable

from engine.runtime import syscalls
from engine.runtime.init import Child, spawn_exec
from engine.runtime.monitor.loop import Loop, Timer
from engine.runtime.monitor.stdio import Stdio
from engine.runtime.plan import ExecPlan

LINGER = 2.0
"""Seconds the streams stay open for what the session left behind in the background, as Docker."""


class Session:
    """Started by the constructor's caller with `start`; `finish` when its process was reaped."""

    def __init__(
        self, loop: Loop, exec_id: str, *, stdin: bool, complain: Callable[[str], None]
    ) -> None:
        self.id = exec_id
        self.pid = 0
        self._loop = loop
        self._timer: Timer | None = None
        self.stdio = Stdio(loop, log=None, open_stdin=stdin, stdin_once=True, complain=complain)

    def start(
        self, plan: ExecPlan, *, target: int, namespaces: int, attach: Callable[[int], None]
    ) -> None:
        """Run `plan` in the container whose init is the pidfd `target`.

        Raises:
            StepFailed: a step was refused; nothing of the session is left but a process to reap.
            OSError: no process or descriptor to be had.
        """
        try:
            stdio = self.stdio.make_pipes(terminal=plan.terminal)
            child = spawn_exec(plan, stdio, target=target, namespaces=namespaces)
            self.pid = child.pid
            self._release(child, attach)
        except BaseException:
            self.stdio.close()
            raise

    def _release(self, child: Child, attach: Callable[[int], None]) -> None:
        try:
            attach(child.pid)
            child.attached()
            child.wait_ready()
            if child.terminal is not None:
                self.stdio.use_terminal(child.terminal)
            child.start()
        finally:
            child.close()
            os.close(child.pidfd)
        self.stdio.release_child_ends()

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)  # not reaped yet, so the number is still this process's

    def finish(self, status: int) -> int:
        """The exit code; the streams end now, or soon if something else still holds them."""
        self.stdio.drain()
        if not self.stdio.ended:
            self._timer = self._loop.after(LINGER, self.close)
        return syscalls.exit_status(status)[0]

    def close(self) -> None:
        self._loop.cancel(self._timer)
        self.stdio.drain()
        self.stdio.close()
