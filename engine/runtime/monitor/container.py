"""The life of one container as its monitor drives it: create, start, exec, exit, teardown.

Order at the end: reap, drain the streams into the log, write the exit record, write state.json,
tell subscribers; only then wait for the disk, and clean up. If the monitor itself is killed, init
dies with it (it asks for SIGKILL at its parent's death), and what is left of the cgroup is killed
by the next engine that finds the bundle: nothing is left running with nobody to report its end.
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from engine.errors import (
    Conflict,
    EngineError,
    InvalidArgument,
    NotFound,
    NotRunning,
    RuntimeFailure,
)
from engine.runtime import bundle, signals, state, syscalls, wire
from engine.runtime.cgroups import Layout, Manager, Resources, owned
from engine.runtime.init import Channel, Child, StepFailed
from engine.runtime.monitor.complaints import complain, start_error
from engine.runtime.monitor.construct import Build, Built
from engine.runtime.monitor.handover import Rights
from engine.runtime.monitor.log import LogWriter
from engine.runtime.monitor.loop import READ, Loop, dead_child
from engine.runtime.monitor.session import Session
from engine.runtime.monitor.stdio import Stdio
from engine.runtime.plan import ExecPlan
from engine.runtime.state import Status, can_become

_OOM_LOOKS, _OOM_PAUSE = 5, 0.02


class Container:
    """Every method is called from the loop; each raises an EngineError that goes to the caller.

    A builder creates it and starts it; its monitor has it from then on, by `restore`.

    Args:
        announce: tells every subscriber an event.
        monitor_pid: the process that will have it.
        log_fd: its log, when that is open already.
    """

    def __init__(
        self,
        loop: Loop,
        layout: Layout,
        request: wire.CreateRequest,
        *,
        announce: Callable[[dict[str, Any]], None],
        monitor_pid: int,
        log_fd: int = -1,
    ) -> None:
        self._loop = loop
        self._request = request
        self._announce = announce
        self._layout = layout
        self._built: Built | None = None
        self._sessions: dict[int, Session] = {}
        self._started_at = 0
        self._failed_code: int | None = None
        self._oom_fd = -1
        self._oom_seen = 0
        self._paused = False
        self.exit_path = request.exit_path
        self.state = state.State(request.id, request.bundle, request.cgroup, monitor_pid)
        self.warnings: tuple[str, ...] = ()
        self.exit: dict[str, Any] | None = None
        self.on_end: Callable[[], None] | None = None
        self._log = LogWriter(
            request.log_path, request.log_max_bytes, request.log_max_files, complain, fd=log_fd
        )
        self.stdio = Stdio(
            loop,
            log=self._log,
            open_stdin=request.open_stdin,
            stdin_once=request.stdin_once,
            complain=complain,
        )

    # --- create ---------------------------------------------------------------------------------

    def create(self, build: Callable[[Build], Built], *, meanwhile: Callable[[], None]) -> None:
        """Have init ready before its exec; on failure nothing of the container is left."""
        try:
            self.state.write()
            make = Build(self._make_pipes, meanwhile, start=self._request.start)
            self._create(build(make))
        except BaseException:
            self._undo_create()
            raise

    def _make_pipes(self) -> tuple[int, int, int]:
        return self.stdio.make_pipes(terminal=self._request.terminal)

    def _create(self, built: Built) -> None:
        self._built = built
        self.stdio.release_child_ends()
        if built.terminal >= 0:
            self.stdio.use_terminal(built.terminal)
        self.warnings = built.warnings
        self.state.pid = built.pid
        self.state.pid_start = state.start_time(built.pid) or 0
        if built.released:  # what is written is that it runs
            self.state.status = Status.CREATED
        else:
            self._become(Status.CREATED)

    def close(self) -> None:
        """Let go of the streams and the log."""
        self.stdio.close()
        self._log.close()

    def _undo_create(self) -> None:
        self.close()
        if self._built is not None:
            self._kill_init()
            self._remove_cgroup()

    # --- from the builder to the monitor --------------------------------------------------------

    @property
    def pidfd(self) -> int:
        return self._ready.pidfd

    @property
    def own_pids(self) -> bool:
        """Whether its orphans are its own init's to reap."""
        return bool(self._ready.namespaces & syscalls.CLONE_NEWPID)

    @property
    def _ready(self) -> Built:
        if self._built is None:
            raise RuntimeFailure(f"container {self.state.id} has not been created")
        return self._built

    def descriptors(self, rights: Rights) -> int:
        """Add what tells that there is something to do; returns how many that are."""
        fds = [fd for fd in (self.pidfd, self._ready.oom, *self.stdio.outputs) if fd >= 0]
        for fd in fds:
            rights.add(fd)
        return len(fds)

    def facts(self, rights: Rights) -> tuple[Any, ...]:
        """All that `restore` needs in another process."""
        return (
            tuple(self._request._replace(resources={})),
            self._ready.facts(rights),
            (self.state.status.value, self.state.pid, self.state.pid_start),
            (self._started_at, self._failed_code),
            rights.add(self._log.fd),
            self.stdio.facts(rights),
        )

    @classmethod
    def restore(
        cls,
        loop: Loop,
        layout: Layout,
        facts: tuple[Any, ...],
        fds: Sequence[int],
        *,
        announce: Callable[[dict[str, Any]], None],
    ) -> "Container":
        fields, built, known, start, log, streams = facts
        request = wire.CreateRequest(*fields)
        monitor_pid = os.getpid()
        container = cls(
            loop, layout, request, announce=announce, monitor_pid=monitor_pid, log_fd=fds[log]
        )
        container._built = Built.restore(built, fds)
        container.warnings = container._built.warnings
        status, container.state.pid, container.state.pid_start = known
        container.state.status = Status(status)
        container._started_at, container._failed_code = start
        container.stdio.restore(streams, fds)
        return container

    def listen(self) -> None:
        """Take what the program writes, and what the kernel has to say of its memory."""
        self.stdio.listen()
        if self._ready.oom >= 0:
            self._oom_fd = self._ready.oom
            self._loop.add(self._oom_fd, READ, self._oom)

    def _become(self, status: Status) -> None:
        self.state.status = status
        self.state.write()

    def _tell_state(self, status: Status) -> None:
        """Where the file cannot be written (disk full), the container goes on all the same."""
        try:
            self._become(status)
        except OSError as error:
            complain(f"cannot write state.json: {error}")

    @property
    def _manager(self) -> Manager:
        """Made when it is needed: most containers are idle, and never need it before their end."""
        unified = self._built.unified if self._built is not None else ""
        return Manager(self._layout, self._request.cgroup, unified=unified)

    # --- requests -------------------------------------------------------------------------------

    def start(self) -> None:
        """Release the exec; raises CommandNotFound, CommandNotExecutable or RuntimeFailure."""
        if self._built is None or not can_become(self.state.status, Status.RUNNING):
            raise Conflict(f"container {self.state.id} is {self.state.status}, not created")
        self._started_at = time.time_ns()
        child = Child(self._built.pid, self._built.pidfd, Channel(self._built.channel))
        self._built.channel = -1  # closed by then, whatever comes of it
        if not self._built.released:
            child.release()
        self._tell_state(Status.RUNNING)  # it takes as long as the exec, and nearly all succeed
        try:
            child.executed()
        except StepFailed as failed:
            error, self._failed_code = start_error(failed)
            self._started_at = 0
            self._tell_state(Status.CREATED)
            self._kill_init()
            raise error from failed

    def kill(self, number: int) -> None:
        """Signal init; a paused container that is killed is let go, so that it can die."""
        if self._built is None or self.exit is not None:
            raise NotRunning(f"container {self.state.id} is not running")
        try:
            os.kill(self._built.pid, number)
        except OSError as error:
            raise InvalidArgument(f"signal {number}: {error.strerror}") from error
        if self._paused and number == signals.SIGKILL:
            self.resume()

    def pause(self) -> None:
        self._expect_running()
        self._manager.freeze()
        self._paused = True

    def resume(self) -> None:
        self._manager.thaw()
        self._paused = False

    def resize(self, height: int, width: int) -> None:
        self.stdio.resize(height, width)

    def update(self, resources: dict[str, Any]) -> list[str]:
        """Change limits; returns warnings."""
        if self.exit is not None:
            raise NotRunning(f"container {self.state.id} is not running")
        return owned(self._manager).apply(Resources.from_oci(resources))

    def exec(self, exec_id: str, plan: ExecPlan, *, stdin: bool) -> Session:
        """Run a further process; raises as `start` does."""
        built = self._expect_running()
        if self._paused:
            raise Conflict(f"container {self.state.id} is paused, unpause it before exec")
        session = Session(self._loop, exec_id, stdin=stdin, complain=complain)
        try:
            session.start(
                plan.with_seccomp(built.seccomp, built.seccomp_flags),
                target=built.pidfd,
                namespaces=built.namespaces,
                attach=self._manager.attach,
            )
        except StepFailed as failed:
            raise start_error(failed)[0] from failed
        self._sessions[session.pid] = session
        session.stdio.listen()
        return session

    def session(self, exec_id: str) -> Session:
        for session in self._sessions.values():
            if session.id == exec_id:
                return session
        raise NotFound(f"no such exec session: {exec_id}")

    def delete(self) -> None:
        """Take a container that was never started apart."""
        if self.state.status is Status.RUNNING:
            raise Conflict(f"container {self.state.id} is running")
        self._kill_init()

    def _expect_running(self) -> Built:
        if self._built is None or self.state.status is not Status.RUNNING:
            raise NotRunning(f"container {self.state.id} is not running")
        return self._built

    def _kill_init(self) -> None:
        if self._built is not None and self.exit is None:
            os.kill(self._built.pid, signals.SIGKILL)

    # --- what happens by itself -----------------------------------------------------------------

    def _oom(self, _events: int) -> None:
        os.read(self._oom_fd, 4096)
        self._count_ooms(_OOM_LOOKS)

    def _count_ooms(self, looks: int) -> None:
        """v1 wakes us before it counts the kill: look again a few times."""
        if self.exit is not None:
            return
        kills = self._manager.oom_kills()
        if kills > self._oom_seen:
            self._oom_seen = kills
            self._announce({"event": "oom"})
        elif looks:
            self._loop.after(_OOM_PAUSE, lambda: self._count_ooms(looks - 1))

    def reap(self) -> None:
        """Collect every dead child: init, sessions, and orphans that became ours.

        Init last: it is the eldest, and its end takes the sessions' clients away.
        """
        ended: int | None = None
        while (found := dead_child()) is not None:
            pid, status = found
            if self._built is not None and pid == self._built.pid and self.exit is None:
                ended = status
            elif pid in self._sessions:
                self._session_ended(self._sessions.pop(pid), status)
        if ended is not None:
            self._ended(ended)

    def _session_ended(self, session: Session, status: int) -> None:
        code = session.finish(status)
        self._announce({"event": "exec-exit", "exec": session.id, "code": code})

    def _ended(self, status: int) -> None:
        code, number = syscalls.exit_status(status)
        if self._failed_code is not None:
            code, number = self._failed_code, None
        self._count_ooms(0)
        self.stdio.drain()
        self._log.close()
        self.exit = {
            "id": self.state.id,
            "code": code,
            "signal": number,
            "oom_killed": self._oom_killed(code),
            "started_at": self._started_at,
            "finished_at": time.time_ns(),
        }
        self._record(self.exit)
        self._announce({"event": "exit", "record": self.exit})
        self._tear_down()

    def _oom_killed(self, code: int) -> bool:
        """As Docker's OOMKilled: the kernel killed for memory here, and the container died so."""
        return code == 128 + signals.SIGKILL and self._manager.oom_kills() > 0

    def _record(self, record: dict[str, Any]) -> None:
        if self._started_at or self._failed_code is not None:
            try:
                state.write_exit(self.exit_path, record)
            except OSError as error:
                complain(f"cannot write the exit record: {error}")
        self.state.pid = 0
        self._tell_state(Status.STOPPED)

    def _tear_down(self) -> None:
        try:
            bundle.sync(self.exit_path)
        except OSError as error:
            complain(f"cannot sync the exit record: {error}")
        for session in list(self._sessions.values()):
            session.close()
        self._empty_cgroup()
        self.stdio.close()
        if self._built is not None and self._built.mounts >= 0:
            os.close(self._built.mounts)
        self._remove_cgroup()
        if self.on_end is not None:
            self.on_end()

    def _empty_cgroup(self) -> None:
        try:
            if self._manager.pids():
                self._manager.kill()
        except EngineError as error:
            complain(str(error))

    def _remove_cgroup(self) -> None:
        if self._oom_fd >= 0:
            self._loop.remove(self._oom_fd)
            os.close(self._oom_fd)
            self._oom_fd = -1
        try:
            owned(self._manager).remove()
        except (EngineError, OSError) as error:
            complain(f"cannot remove cgroup {self._request.cgroup}: {error}")
