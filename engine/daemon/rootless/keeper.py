"""The keeper: holds the namespaces of a rootless engine for as long as somebody lives in them.

It stays outside, where newuidmap(1) and the network helper have to be started, and hands the
namespaces to the next engine, so that this one finds the containers where they are. When no engine
is connected and no monitor lives, it ends the helper and whatever was left inside, and ends.

One lean process a user: nothing is imported here that needs megabytes.
"""

import _socket
import array
import errno
import os
import select
import sys
import time
from collections.abc import Sequence

from engine.daemon.rootless import network
from engine.daemon.rootless.inside import inhabitants
from engine.daemon.rootless.programs import Failed, run
from engine.runtime import signals

SOCKET = "namespaces.sock"
LOG = "keeper.log"
NEW, JOIN = "new", "join"
READY, REFUSED = b"ready", b"refused"
KINDS = ("user", "mnt", "net")

LEAVE_BOUND = 5.0
"""Seconds that what is left inside has to end by itself, and then to be gone when killed."""

_LARGEST = 4096
_BACKLOG = 8


class Order:
    """What the engine asks for; crosses the exec as words."""

    def __init__(self, run_dir: str, helper: str, uids: str, gids: str) -> None:
        self.run_dir = run_dir
        self.helper = helper
        self.uids = uids.split(",") if uids else []
        self.gids = gids.split(",") if gids else []


class Keeper:
    """The namespaces' descriptors, by kind; the engines that are connected; the network helper."""

    def __init__(self, order: Order, pid: int) -> None:
        self._run_dir = order.run_dir
        self._namespaces = _open_namespaces(pid)
        self._engines: list[_socket.socket] = []
        self._monitors: list[int] = []
        self._network = network.Network(order.run_dir, order.helper, self._namespaces)
        self._listener = _listen(f"{order.run_dir}/{SOCKET}")

    def serve(self, engine: _socket.socket) -> None:
        """Until nobody needs the namespaces any more."""
        self._network.start()
        self._welcome(engine)
        while self._needed():
            for fd, _ in self._poll():
                self._handle(fd)
        self._finish()

    def _needed(self) -> bool:
        if not self._engines and not self._monitors:
            self._monitors = living_monitors(self._run_dir)
        return bool(self._engines or self._monitors)

    def _poll(self) -> list[tuple[int, int]]:
        poll = select.poll()
        sockets = (self._listener, *self._engines)
        for fd in (*(s.fileno() for s in sockets), *self._monitors, *self._network.descriptors()):
            poll.register(fd, select.POLLIN)
        return poll.poll()

    def _handle(self, fd: int) -> None:
        if fd == self._listener.fileno():
            connection, _ = self._listener._accept()  # type: ignore[attr-defined]
            self._welcome(_socket.socket(fileno=connection))
        elif fd in self._monitors:
            self._monitors.remove(fd)
            os.close(fd)
        elif fd in self._network.descriptors():
            self._network.died()
        else:
            self._engines = [each for each in self._engines if not _left(each, fd)]

    def _welcome(self, engine: _socket.socket) -> None:
        """Hand the namespaces out; the connection stands for the engine as long as it lives."""
        text = b"\n".join((READY, self._network.name.encode(), self._network.failure.encode()))
        rights = array.array("i", [self._namespaces[kind] for kind in self._kinds()])
        try:
            engine.sendmsg([text], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
        except OSError:
            engine.close()  # it has given up
            return
        self._engines.append(engine)

    def _kinds(self) -> list[str]:
        return [kind for kind in KINDS if kind in self._namespaces]

    def _finish(self) -> None:
        """The name goes first: an engine that connected too late finds none and makes anew."""
        try:  # noqa: SIM105 (the keeper does without contextlib)
            os.unlink(f"{self._run_dir}/{SOCKET}")
        except FileNotFoundError:
            pass  # its directory was removed, which is no reason to stay
        self._listener.close()
        self._network.stop()
        clear(self._namespaces["user"])


def _left(engine: _socket.socket, fd: int) -> bool:
    """Whether the engine on `fd` has gone; engines say nothing, so anything readable is the end."""
    if engine.fileno() != fd:
        return False
    engine.close()
    return True


def _open_namespaces(pid: int) -> dict[str, int]:
    """Those of `pid` that are not ours."""
    found = {}
    for kind in KINDS:
        path = f"/proc/{pid}/ns/{kind}"
        if os.readlink(path) != os.readlink(f"/proc/self/ns/{kind}"):
            found[kind] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if "user" not in found:
        raise Failed(f"process {pid} is in no user namespace of its own")
    return found


def _listen(path: str) -> _socket.socket:
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
    listener.bind(path)
    listener.listen(_BACKLOG)
    return listener


def living_monitors(run_dir: str) -> list[int]:
    """A pidfd of each monitor that has a bundle and lives."""
    from engine.runtime import state  # only now, and often never

    found = []
    for name in _names(f"{run_dir}/bundles"):
        known = state.read(f"{run_dir}/bundles/{name}")
        if known is None or not known.monitor_alive():
            continue
        try:
            fd = signals.pidfd_open(known.monitor_pid)
        except ProcessLookupError:
            continue
        if known.monitor_alive():  # and not another that took its pid
            found.append(fd)
        else:
            os.close(fd)
    return found


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []


def clear(namespace: int) -> None:
    """End what is left in a user namespace that nobody answers for: first its own way."""
    for force in (False, True):
        deadline = time.monotonic() + LEAVE_BOUND
        while (left := inhabitants(namespace, "user")) and time.monotonic() < deadline:
            _await_one(left, force, deadline)


def _await_one(pids: Sequence[int], force: bool, deadline: float) -> None:
    """Until one of them has ended."""
    poll, held = select.poll(), []
    for pid in pids:
        try:
            held.append(signals.pidfd_open(pid))
            if force:
                os.kill(pid, 9)
        except ProcessLookupError:
            return  # one has
    for fd in held:
        poll.register(fd, select.POLLIN)
    poll.poll(max(1.0, (deadline - time.monotonic()) * 1000))
    for fd in held:
        os.close(fd)


def write_maps(pid: int, order: Order) -> None:
    """Map the ids of `pid`'s namespace. Raises Failed with the tool's own words."""
    if len(order.uids) == 3:
        _write(f"/proc/{pid}/setgroups", "deny")  # else the kernel refuses the gid map
        _write(f"/proc/{pid}/uid_map", " ".join(order.uids))
        _write(f"/proc/{pid}/gid_map", " ".join(order.gids))
        return
    for tool, numbers in (("newuidmap", order.uids), ("newgidmap", order.gids)):
        run([tool, str(pid), *numbers])


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        raise Failed(f"write {text!r} to {path}: {os.strerror(error.errno or 0)}") from None
    finally:
        os.close(fd)


def _prepare(order: Order, engine: _socket.socket) -> Keeper | None:
    """None when the engine has given up."""
    words = engine.recv(_LARGEST).decode().split()
    if not words:
        return None
    kind, pid = words[0], int(words[1])
    if kind == NEW:
        write_maps(pid, order)
    return Keeper(order, pid)


def main() -> None:
    """Serve one engine that waits at a descriptor, and those that come after it."""
    number, *words = sys.argv[2:]
    engine = _socket.socket(fileno=int(number))
    engine_fd = engine.fileno()
    os.set_inheritable(engine_fd, False)
    os.umask(0o077)
    try:
        keeper = _prepare(Order(*words), engine)
    except (Failed, OSError) as error:
        _refuse(engine, str(error))
        return
    if keeper is not None:
        keeper.serve(engine)


def _refuse(engine: _socket.socket, text: str) -> None:
    try:
        engine.send(REFUSED + b"\n" + text.encode(errors="replace")[:_LARGEST])
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ECONNRESET):
            raise
