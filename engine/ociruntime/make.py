"""Making a container: everything from its config.json to an init that waits for `start`.

Shared by `create` and `run`. Whatever step fails, or whatever signal ends this process but
SIGKILL, nothing of the container is left; after a SIGKILL init ends by itself, and `delete --force`
takes the rest.
"""

import _signal  # type: ignore[import-not-found]
import os
import pwd
import time
from collections.abc import Callable
from typing import Any, NoReturn

from engine.errors import RuntimeFailure
from engine.ociruntime import bundles, groups, notify, record, store, streams
from engine.ociruntime.commands import Call
from engine.ociruntime.record import Record
from engine.ociruntime.store import Store
from engine.runtime import bundle, gate, plan, signals
from engine.runtime.cgroups import Manager
from engine.runtime.init import Child, StepFailed, spawn
from engine.runtime.plan import InitPlan

Console = Callable[[int], None]
"""Takes the master of the container's terminal."""


class Wanted:
    """What is asked for, with nothing made yet. Raises EngineError for what cannot be."""

    def __init__(self, call: Call) -> None:
        options = call.options
        self.call = call
        self.inherited = streams.preserved(options.number("preserve-fds"))
        self.bundle = os.path.abspath(options.text("bundle") or ".")
        self.store = Store(call.common.text("root") or store.default_root())
        self.config = bundles.load(self.bundle)
        self.groups = groups.Wanted(call.common)
        self.notify = notify.socket_path(self.store.path(call.container_id))
        self._extend()
        self.warnings: list[str] = []
        self.plan = self._compile()

    @property
    def terminal(self) -> bool:
        return self.plan.process.terminal

    def _extend(self) -> None:
        """What the caller's environment adds to the configuration, as runc has it."""
        process = self.config.get("process")
        if isinstance(process, dict) and isinstance(process.get("env", []), list):
            process["env"] = [*process.get("env", ()), *streams.environment()]
        if self.notify:
            notify.extend(self.config, self.notify)

    def _compile(self) -> InitPlan:
        resolved = bundles.resolve(self.config, self.bundle)
        called = (self.call.container_id, self.bundle)
        compiled = plan.compile(
            resolved, (), warnings=self.warnings, container_id=called[0], bundle=called[1]
        )
        options = self.call.options
        no_pivot, shared = options.flag("no-pivot"), options.flag("no-new-keyring")
        if not (no_pivot or shared):
            return compiled
        extras = compiled.extras or plan.ContainerExtras(*called, {}, (), {})
        return compiled._replace(extras=extras._replace(no_pivot=no_pivot, keyring=not shared))

    def record(self) -> Record:
        """A directory of its own with a first record. Raises Conflict, InvalidArgument."""
        linux = self.config.get("linux") or {}
        name = self.call.container_id
        cgroup = self.groups.path_of(str(linux.get("cgroupsPath") or ""), name)
        made = self.store.make(name)
        made.bundle = self.bundle
        made.rootfs = self.plan.root
        made.created, made.owner = _now(), _owner()
        made.cgroup, made.systemd = cgroup, self.groups.systemd
        made.annotations = dict(self.config.get("annotations") or {})
        made.namespaces = self.plan.namespaces
        made.seccomp_flags = self.plan.process.seccomp_flags
        return made


def _owner() -> str:
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)  # as runc does for a user without a name


def _now() -> str:
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


class Making:
    """One container under construction; used by `make`."""

    def __init__(self, wanted: Wanted, kept: Record) -> None:
        self.wanted = wanted
        self.record = kept
        self.group: Manager | None = None
        self.child: Child | None = None

    def build(self, stdio: streams.Streams, console: Console | None) -> None:
        """All the steps, in order."""
        self._keep()
        self._make_group()
        self._spawn((*stdio, *self.wanted.inherited))
        self._finish(console)
        self._publish()

    def _keep(self) -> None:
        """What later calls need, so that the bundle may change or go."""
        directory = self.record.directory
        self.record.write()
        data = record.encode(self.wanted.config).encode()
        bundle.write_atomic(f"{directory}/{record.CONFIG}", data, durable=False)
        program = self.wanted.plan.process.seccomp
        bundle.write_atomic(f"{directory}/{record.SECCOMP}", program, durable=False)
        if self.wanted.notify:
            notify.make_directory(self.wanted.notify)

    def _make_group(self) -> None:
        group = groups.manager(self.record)
        group.create()
        self.group = group
        linux = self.wanted.config.get("linux") or {}
        self.wanted.warnings += groups.limit(self.record, group, linux.get("resources") or {})

    def _spawn(self, inherited: streams.Streams) -> None:
        opened = gate.make(self.record.directory)
        try:
            self.child = self._born(inherited, opened)
        finally:
            for fd in opened:
                os.close(fd)
        self.record.pid = self.child.pid
        self.record.pid_start = record.start_time(self.child.pid) or 0
        self.record.write()  # hooks may ask for the state
        self.child.attached()

    def _born(self, inherited: streams.Streams, opened: tuple[int, int]) -> Child:
        """On cgroup v2 init is born in its cgroup; v1 knows only moving it there afterwards."""
        group = self.group
        assert group is not None
        if group.layout.mode != "v2" or group.unified is None:
            child = self.child = spawn(self.wanted.plan, inherited, gate=opened)
            group.attach(child.pid)
            return child
        fd = bundle.open_directory(group.unified)
        try:
            child = spawn(self.wanted.plan, inherited, cgroup_fd=fd, gate=opened)
        finally:
            os.close(fd)
        group.entered()
        return child

    def _finish(self, console: Console | None) -> None:
        child = self.child
        assert child is not None
        child.wait_ready()
        self.wanted.warnings += child.warnings
        if child.terminal is not None and console is not None:
            console(child.terminal)

    def _publish(self) -> None:
        """From here on init outlives this process."""
        pid_file = self.wanted.call.options.text("pid-file")
        if pid_file:
            write_pid(pid_file, self.record.pid)
        self.record.made = True
        self.record.write()
        assert self.child is not None
        self.child.start()

    def undo(self) -> None:
        """Leave nothing behind."""
        if self.child is not None:
            signals.pidfd_send_signal(self.child.pidfd, signals.SIGKILL)
            os.waitpid(self.child.pid, 0)
        if self.group is not None:
            self.group.kill()
            self.group.remove()
        if "intelRdt" in (self.wanted.config.get("linux") or {}):
            from engine.runtime import resctrl

            resctrl.forget(self.wanted.config, self.record.id)
        store.remove(self.record)
        self._poststop()

    def _poststop(self) -> None:
        """runtime.md, "Lifecycle": these follow a create that failed, too."""
        late = hooks_of(self.wanted.config, "poststop")
        if not late or self.child is None:
            return
        from engine.runtime import hooks

        kept = self.record
        state = hooks.make_state(kept.id, record.STOPPED, 0, kept.bundle, kept.annotations)
        for text in hooks.run_all(late, state):
            self.wanted.call.report.warn(text)


def make(
    wanted: Wanted, stdio: streams.Streams = streams.STDIO, console: Console | None = None
) -> Making:
    """A container that is created. Raises EngineError or OSError; then it is as if never tried."""
    for number in (_signal.SIGTERM, _signal.SIGHUP, _signal.SIGINT):
        _signal.signal(number, _end)
    making = Making(wanted, wanted.record())
    try:
        making.build(stdio, console)
    except StepFailed as failed:
        making.undo()
        raise RuntimeFailure(f"unable to start container process: {failed}") from failed
    except BaseException:
        making.undo()
        raise
    for text in wanted.warnings:
        wanted.call.report.warn(text)
    return making


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def write_pid(path: str, pid: int) -> None:
    """Write the pid so that nobody reads half of it; the file is the caller's, and readable."""
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".{name}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    fd = os.open(temporary, flags, 0o666)
    try:
        os.write(fd, str(pid).encode())
    finally:
        os.close(fd)
    os.replace(temporary, path)


def hooks_of(config: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The hooks of one kind in a configuration that was compiled."""
    return list((config.get("hooks") or {}).get(kind) or ())
