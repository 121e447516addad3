"""Containers as systemd's own scopes: asked for over D-Bus, limited by properties and by files.

systemd takes every cgroup for its own that is not in a unit with Delegate=yes: it may take the
controllers away from others ("Control Group APIs and Delegation"). Where systemd is process 1, a
container in a scope of its own is what an administrator can see and limit with systemctl, too.

Loaded only where it is asked for.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import AlreadyInUse, InvalidArgument, RuntimeFailure, Unavailable
from engine.runtime import syscalls
from engine.runtime.cgroups import files, properties, tree
from engine.runtime.cgroups.dbus import BusError, Connection, Signal
from engine.runtime.cgroups.layout import Layout
from engine.runtime.cgroups.manager import KILL_BOUND_S, REMOVE_BOUND_S, Manager
from engine.runtime.cgroups.resources import Resources

_NAME = "org.freedesktop.systemd1"
_PATH = "/org/freedesktop/systemd1"
_MANAGER = f"{_NAME}.Manager"
_SYSTEM = ("/run/dbus/system_bus_socket", "/run/systemd/private")
_PROPERTIES = "org.freedesktop.DBus.Properties"
_EXISTS = f"{_NAME}.UnitExists"
_SEEN_BOUND_S, _LOOK_S = 2.0, 0.02
_UNKNOWN = frozenset({f"{_NAME}.NoSuchUnit", f"{_NAME}.NoSuchProcess"})


class Scope(Manager):
    """The cgroup of one transient scope; `path` is its place, `system.slice/berth-1.scope`.

    Everything but making, limiting and removing is the same as where nobody else has a say.
    """

    def __init__(self, layout: Layout, path: str, *, user: bool = False) -> None:
        super().__init__(_whole(layout), path)
        parent, _, self.unit = self.path.rpartition("/")
        if not self.unit.endswith(".scope"):
            raise InvalidArgument(f"not the name of a scope: {self.unit!r}")
        self._slice = parent.rpartition("/")[2] or "-.slice"
        self._user = user
        self._placeholder = -1

    def create(self) -> None:
        """Have systemd make it, with a process in it: a scope without one would end at once.

        That process goes when the first one is attached (or `entered`), or with this one. Raises
        AlreadyInUse when there is such a unit, Unavailable when no systemd answers.
        """
        self._placeholder = _placeholder()
        try:
            with _connected(self._user) as bus:
                self._start(bus)
            self._make_the_rest()
        except BaseException:
            self._release()
            raise

    def _start(self, bus: Connection) -> None:
        wanted = [*properties.of_scope(self._slice, self._placeholder)]
        body: tuple[object, ...] = (self.unit, "fail", wanted, [])
        try:
            _job(bus, "StartTransientUnit", "ssa(sv)a(sa(sv))", body)
        except BusError as error:
            if error.name != _EXISTS:
                raise RuntimeFailure(f"systemd does not start {self.unit}: {error}") from error
            self._start_again(bus, body)

    def _start_again(self, bus: Connection, body: tuple[object, ...]) -> None:
        """A unit of that name that has failed is in the way until it is forgotten."""
        try:
            _call(bus, "ResetFailedUnit", "s", (self.unit,))
            _job(bus, "StartTransientUnit", "ssa(sv)a(sa(sv))", body)
        except BusError as error:
            raise AlreadyInUse(f"systemd has a unit {self.unit} already: {error}") from error

    def _make_the_rest(self) -> None:
        """v1 hierarchies that systemd does not know; v2 is all systemd's."""
        made: list[str] = []
        for hierarchy in self._writable:
            directory = self._directory(hierarchy)
            if not os.path.isdir(directory):
                if hierarchy.version == 2:
                    raise RuntimeFailure(
                        f"systemd made {self.unit} somewhere else than {directory}"
                    )
                tree.make(hierarchy, self.path, made)
            if hierarchy.version == 1:
                files.write(f"{directory}/cgroup.procs", str(self._placeholder))

    def attach(self, pid: int) -> None:
        super().attach(pid)
        self.entered()

    def entered(self) -> None:
        self._release()

    def apply(self, wanted: Resources) -> list[str]:
        """Set limits as systemd's properties, so that a reload of it does not undo them, and then
        as files, of which there are more. Warnings and refusals are as without systemd."""
        super().apply(wanted._replace(devices=()))  # which refuses what the kernel does, by name
        settings = properties.of(wanted, version=2 if self.layout.mode == "v2" else 1)
        if settings:
            with _connected(self._user) as bus:
                try:
                    _call(bus, "SetUnitProperties", "sba(sv)", (self.unit, True, settings))
                except BusError as error:
                    text = f"systemd does not take the limits of {self.unit}: {error}"
                    raise InvalidArgument(text) from error
        return super().apply(wanted)  # systemd rounds some (CPU quota), and knows not all

    def kill(self, *, bound: float = KILL_BOUND_S) -> None:
        super().kill(bound=bound)
        self._release()

    def remove(self, *, bound: float = REMOVE_BOUND_S) -> None:
        """Remove it everywhere. systemd takes an empty scope away by itself; what it leaves, or
        what is not its own, goes here. Raises OSError (EBUSY) when processes are left."""
        self._release()
        try:
            with _connected(self._user) as bus:
                super().remove(bound=bound)
                _job(bus, "StopUnit", "ss", (self.unit, "replace"))
        except Unavailable:
            self._leave_to_systemd(min(bound, _SEEN_BOUND_S))
            super().remove(bound=bound)
        except BusError as error:
            if error.name not in _UNKNOWN:
                raise RuntimeFailure(f"systemd does not stop {self.unit}: {error}") from error

    def _leave_to_systemd(self, bound: float) -> None:
        """Let it see that the scope is empty, and take it away: it would keep the name of one that
        somebody else has removed, because it is not told of that."""
        deadline = time.monotonic() + bound
        place = self.unified or ""
        while os.path.isdir(place) and not self.pids() and time.monotonic() < deadline:
            time.sleep(_LOOK_S)

    def _release(self) -> None:
        if self._placeholder > 0:
            os.kill(self._placeholder, signal.SIGKILL)
            os.waitpid(self._placeholder, 0)
            self._placeholder = -1


def _whole(layout: Layout) -> Layout:
    """Paths of units count from the top of the tree, also for who may write only further down."""
    return layout._replace(
        hierarchies=tuple(
            h._replace(base=h.mount_point, writable=h.version == 2 or h.writable)
            for h in layout.hierarchies
        )
    )


def _placeholder() -> int:
    """A process that does nothing, and ends with this one."""
    ours = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        syscalls.set_parent_death_signal(signal.SIGKILL)
        syscalls.close_range(0)
        while os.getppid() == ours:
            signal.pause()
    finally:
        os._exit(0)


@contextmanager
def _connected(user: bool) -> Iterator[Connection]:
    with connect(user=user) as bus:
        yield bus


def connect(*, user: bool = False) -> Connection:
    """A connection to the system's systemd, or to this user's. Raises Unavailable."""
    reasons = []
    for path in _user() if user else _SYSTEM:
        try:
            bus = Connection(path, bus=not path.endswith("/private"))
        except Unavailable as error:
            reasons.append(str(error))
            continue
        try:
            if not path.endswith("/private"):
                _call(bus, "Subscribe", "", ())
                bus.watch(_MANAGER, "JobRemoved")
        except BusError as error:
            bus.close()
            reasons.append(f"{path}: {error}")
            continue
        except BaseException:
            bus.close()
            raise
        return bus
    raise Unavailable(f"systemd does not answer: {'; '.join(reasons)}")


def control_group(*, user: bool) -> str:
    """Where the cgroups of this systemd begin; the system's own begin at the top."""
    with connect(user=user) as bus:
        try:
            wanted = (_MANAGER, "ControlGroup")
            found = bus.call(_NAME, _PATH, _PROPERTIES, "Get", "ss", wanted)
        except BusError as error:
            raise RuntimeFailure(f"systemd does not say where it is: {error}") from error
    return str(found[0][1])


def _user() -> tuple[str, str]:
    directory = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return f"{directory}/bus", f"{directory}/systemd/private"


def _call(
    bus: Connection, member: str, signature: str, body: tuple[object, ...]
) -> tuple[object, ...]:
    return bus.call(_NAME, _PATH, _MANAGER, member, signature, body)


def _job(bus: Connection, member: str, signature: str, body: tuple[object, ...]) -> None:
    """Ask for something that takes a while, and wait until systemd has done it."""
    (job,) = _call(bus, member, signature, body)

    def removed(told: Signal) -> bool:
        return told.member == "JobRemoved" and len(told.body) == 4 and told.body[1] == job

    result = bus.wait(removed).body[3]
    if result != "done":
        raise RuntimeFailure(f"systemd: {member} of {body[0]}: {result}")
