"""Entering the namespaces in which a user without root runs an engine.

The process stays the one that was started: it moves into namespaces of its own, or into those of
the engine before it while its containers live in there. Everything below (zygote, monitors, init)
then sees itself as root. A keeper stays outside; see `keeper`.
"""

import fcntl
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from engine.daemon.options import Options
from engine.daemon.rootless import delegation, ids, keeper, network, obstacles, places
from engine.daemon.rootless.programs import ENVIRONMENT
from engine.errors import RuntimeFailure
from engine.runtime import mount, state, syscalls, userns
from engine.runtime.init.settings import raise_loopback

ANSWER_BOUND = 30.0
"""Seconds in which a keeper maps ids and brings the network up."""

_ROOT = str(Path(__file__).resolve().parents[3])
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from engine.daemon.rootless.keeper import main; main()"
)
_LEAN = ("-I", "-S", "-OO", "-X", "no_debug_ranges")
_KEEPER_FD = 3
_LARGEST = 8192
_CREDENTIALS = struct.Struct("3i")
_NAMESPACES = syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS
_FLAGS = {
    "user": syscalls.CLONE_NEWUSER,
    "mnt": syscalls.CLONE_NEWNS,
    "net": syscalls.CLONE_NEWNET,
}


@dataclass(frozen=True, slots=True)
class Entered:
    """`warnings` say what works less well than it could, and what to do.

    `keeper` is a descriptor that stays open for as long as this process lives, which is how the
    keeper knows; it turns readable when the keeper dies.
    """

    keeper: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Reply:
    network: str
    failure: str
    namespaces: tuple[int, ...]
    lost: str = ""
    keeper: int = -1

    def close(self) -> None:
        for fd in self.namespaces:
            os.close(fd)


def wanted() -> bool:
    """Whether this process belongs to a user without root."""
    return os.geteuid() != 0


def enter(options: Options) -> Entered:
    """Become root of a user namespace. This process must have one thread.

    Raises:
        EngineError: names what is in the way, and the command that removes it.
    """
    found = ids.find(os.geteuid(), os.getegid())
    places.make(options)
    with _alone(options.run_dir / "namespaces.lock"):
        reply = _join(options) or _adopt(options, found) or _make(options, found)
    os.chdir("/")
    userns.forget()
    return Entered(reply.keeper, tuple(_warnings(found, reply)))


def _warnings(found: ids.Ids, reply: _Reply) -> Iterator[str]:
    if userns.single_id() and not found.single:
        yield (
            "sub-ids: containers from before hold a namespace with one id only; stop them, then"
            " restart the engine, to use those of /etc/subuid"
        )
    elif found.single:
        what = "all files of images belong to this user, and only root runs in containers"
        yield f"sub-ids: {found.lack}, so {what}; {found.fix}"
    if not reply.network:
        _, lack, fix = network.find()
        lack = lack or "containers from before hold namespaces without a helper"
        fix = fix or "stop them, then restart the engine"
        yield f"network: {lack}, so --network host is the machine's own network; {fix}"
    elif reply.failure:
        yield f"network: {reply.failure}; host-network containers have loopback only"
    if reply.lost:
        yield reply.lost


# --- the namespaces of an engine before this one -----------------------------------------------


def _join(options: Options) -> _Reply | None:
    """Those that a keeper holds; None when there is no keeper."""
    path = options.run_dir / keeper.SOCKET
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(ANSWER_BOUND)
    try:
        connection.connect(str(path))
        reply = replace(_receive(connection), lost=delegation.follow(_peer(connection)))
    except (FileNotFoundError, ConnectionError):
        connection.close()
        path.unlink(missing_ok=True)  # what a keeper that was killed has left
        return None
    except BaseException:
        connection.close()
        raise
    _enter_all(reply)
    return replace(reply, keeper=connection.detach())


def _peer(connection: socket.socket) -> int:
    """The keeper's pid (unix(7), SO_PEERCRED)."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(data)[0])


def _adopt(options: Options, found: ids.Ids) -> _Reply | None:
    """Those of a living monitor, whose keeper was killed; None when no monitor lives."""
    pid = next(_living_monitors(options.run_dir / "bundles"), None)
    if pid is None:
        return None
    lost = delegation.follow(pid)
    connection = _start_keeper(options, found, network.find()[0])
    try:
        reply = replace(_ask(connection, f"{keeper.JOIN} {pid}"), lost=lost)
    except BaseException:
        connection.close()
        raise
    _enter_all(reply)
    return replace(reply, keeper=connection.detach())


def _living_monitors(bundles: Path) -> Iterator[int]:
    for path in sorted(bundles.iterdir()) if bundles.is_dir() else ():
        known = state.read(str(path))
        if known is not None and known.monitor_alive():
            yield known.monitor_pid


def _enter_all(reply: _Reply) -> None:
    """The user namespace first: it gives the right to enter the others."""
    try:
        for fd, flag in zip(reply.namespaces, _FLAGS.values(), strict=False):
            syscalls.setns(fd, flag)
    finally:
        reply.close()


# --- namespaces of one's own -------------------------------------------------------------------


def _make(options: Options, found: ids.Ids) -> _Reply:
    delegation.settle()
    helper = network.find()[0]
    connection = _start_keeper(options, found, helper)
    try:
        _unshare(_NAMESPACES | (syscalls.CLONE_NEWNET if helper else 0))
        if helper:
            raise_loopback()
        reply = _ask(connection, f"{keeper.NEW} {os.getpid()}")
        reply.close()
        _furnish(options, reply)
    except BaseException:
        connection.close()
        raise
    return replace(reply, keeper=connection.detach())


def _unshare(flags: int) -> None:
    try:
        syscalls.unshare(flags)
    except OSError as error:
        why = obstacles.find() or f"{error.strerror}; `berth doctor` says what is missing"
        raise RuntimeFailure(f"cannot make a user namespace: {why}") from error


def _furnish(options: Options, reply: _Reply) -> None:
    """Mounts here stay here; names are asked of whom this network reaches."""
    try:
        syscalls.mount(None, "/", None, mount.MS_SLAVE | mount.MS_REC)
    except PermissionError as error:
        why = obstacles.find() or str(error)
        raise RuntimeFailure(f"cannot mount in a user namespace: {why}") from error
    if reply.network and not reply.failure and os.path.exists(_RESOLV_CONF):
        own = options.run_dir / "resolv.conf"
        own.write_text(resolv_conf(Path(_RESOLV_CONF).read_text(errors="replace"), reply.network))
        syscalls.mount(str(own), _RESOLV_CONF, None, mount.MS_BIND)


_RESOLV_CONF = "/etc/resolv.conf"


def resolv_conf(host: str, helper: str) -> str:
    """The host's own, but that every question goes to the network helper."""
    kept = [line for line in host.splitlines() if not line.startswith("nameserver")]
    return "".join(f"{line}\n" for line in (*kept, f"nameserver {network.NAMESERVERS[helper]}"))


# --- the keeper --------------------------------------------------------------------------------


def _start_keeper(options: Options, found: ids.Ids, helper: str) -> socket.socket:
    """A keeper that waits at the other end of what is returned; nobody's child."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(ANSWER_BOUND)
    words = [str(options.run_dir), helper, _words(found.uids), _words(found.gids)]
    log = os.open(
        options.run_dir / keeper.LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
    )
    pid = os.fork()
    if pid == 0:
        _become_keeper(theirs.fileno(), log, words)
    os.close(log)
    theirs.close()
    os.waitpid(pid, 0)
    return ours


def _become_keeper(end: int, log: int, words: list[str]) -> None:
    """In a session of its own, which no terminal hangs up."""
    try:
        os.setsid()
        if os.fork():
            return
        null = os.open(os.devnull, os.O_RDWR)
        for number, fd in enumerate((null, null, log)):
            os.dup2(fd, number)
        os.dup2(end, _KEEPER_FD)
        syscalls.close_range(_KEEPER_FD + 1)
        arguments = [*_LEAN, "-c", _BOOT, _ROOT, str(_KEEPER_FD), *words]
        os.chdir("/")
        os.execve(sys.executable, [sys.executable, *arguments], ENVIRONMENT)
    finally:
        os._exit(0)


def _words(mappings: tuple[ids.Mapping, ...]) -> str:
    return ",".join(str(number) for mapping in mappings for number in mapping)


def _ask(connection: socket.socket, question: str) -> _Reply:
    connection.send(question.encode())
    try:
        return _receive(connection)
    except ConnectionError as error:
        raise RuntimeFailure("the keeper of the namespaces died; see keeper.log") from error


def _receive(connection: socket.socket) -> _Reply:
    """Raises ConnectionError when there is no keeper any more, RuntimeFailure when it refuses."""
    try:
        data, fds, _, _ = socket.recv_fds(connection, _LARGEST, len(_FLAGS))
    except TimeoutError as error:
        text = f"the keeper of the namespaces has not answered within {ANSWER_BOUND:.0f} s"
        raise RuntimeFailure(text) from error
    kind, *rest = data.split(b"\n")
    if kind == keeper.READY:
        return _Reply(rest[0].decode(), rest[1].decode(), tuple(fds))
    if not data:
        raise ConnectionResetError("the keeper has gone")
    raise RuntimeFailure(f"cannot make a user namespace: {b' '.join(rest).decode()}")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One engine of a run directory at a time goes in."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
