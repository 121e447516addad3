"""What the process that clones an init does for it, where init cannot do it itself.

Ids are mapped, sources of mounts opened, hooks run and seccomp agents told by somebody who stays
in the runtime's own namespaces. Loaded only for a plan that is `special`.
"""

import _socket
import array
import errno
import json
import os
from collections.abc import Sequence

from engine.errors import RuntimeFailure
from engine.runtime import hooks, namespaces, signals, syscalls
from engine.runtime import mount as words
from engine.runtime.plan import InitPlan, Listener, MountPlan
from engine.runtime.rootfs import copyup
from engine.runtime.rootfs.mounts import clone_sources

from . import extras, steps
from .channel import HOOKED, HOOKS, Channel, StepFailed, pair
from .settings import set_oom_score
from .spawn import Child, Streams, adopt, clone

__all__ = ["copyup", "spawn"]

_NR_PIDFD_GETFD = 438
_AGENT_BOUND = 10.0
"""Seconds a seccomp agent may take to accept a connection."""


def spawn(
    plan: InitPlan,
    stdio: Streams,
    *,
    cgroup_fd: int | None,
    sibling: bool,
    gate: tuple[int, int] | None,
) -> Child:
    """See `spawn.spawn`."""
    sources = _open_sources(plan)
    try:
        kept = (*(gate or ()), *sources.values())
        parent = sibling * syscalls.CLONE_PARENT
        child = _clone(plan, stdio, parent, kept, cgroup_fd, gate is not None, bool(sources))
    finally:
        for fd in sources.values():
            os.close(fd)
    child.plan = plan
    child.process = plan.process
    if plan.unshare & syscalls.CLONE_NEWUSER:
        _set_from_outside(child, plan)
    if plan.extras and plan.extras.resctrl:
        _share_caches(child, *plan.extras.resctrl)
    return child


def _clone(
    plan: InitPlan,
    stdio: Streams,
    parent: int,
    kept: tuple[int, ...],
    cgroup_fd: int | None,
    gated: bool,
    sourced: bool,
) -> Child:
    def body(channel: Channel) -> None:
        steps.run(plan, channel, gated=gated, sourced=sourced)

    def body_of_helper(channel: Channel) -> None:
        steps.guarded(lambda: _enter_and_run(plan, channel, body), channel)

    if any(flag == syscalls.CLONE_NEWUSER for flag, _ in plan.join):
        helper = clone(body_of_helper, parent, stdio, kept, cgroup_fd)
        return adopt(helper, reaped=not parent)
    own = namespaces.enter_pid_namespace(plan.join)
    try:
        return clone(body, namespaces.at_birth(plan.unshare) | parent, stdio, kept, cgroup_fd)
    finally:
        namespaces.leave_pid_namespace(own)


def _enter_and_run(plan: InitPlan, channel: Channel, body: steps.Body) -> None:
    try:
        extras.enter_and_clone(plan, channel)
    except OSError as error:
        raise StepFailed("namespaces", error.errno or 0, error.strerror or str(error)) from error
    body(channel)


def answer(child: Child, message: Sequence[object]) -> None:
    """Do what init asks for before it is ready. Raises StepFailed."""
    try:
        if message[0] == HOOKS:
            _run_hooks(child)
            child.channel.send(HOOKED)
        else:
            _tell_agent(child, int(str(message[1])))
    except OSError as error:
        text = error.strerror or str(error)
        raise StepFailed(str(message[0]), error.errno or 0, text) from error


# --- user namespaces ---------------------------------------------------------------------------


def _set_from_outside(child: Child, plan: InitPlan) -> None:
    """What a process of a user namespace cannot do itself: map its ids, set its OOM score."""
    try:
        namespaces.write_id_maps(child.pid, plan.uid_mappings, plan.gid_mappings)
        if plan.process.oom_score_adj is not None:
            child.warnings += tuple(set_oom_score(plan.process.oom_score_adj, child.pid))
    except OSError as error:
        child.discard()
        raise StepFailed("user namespace", error.errno or 0, str(error)) from error


def _share_caches(child: Child, group: str, schemata: str, named: bool) -> None:
    from engine.runtime import resctrl  # few processors have it

    try:
        resctrl.join(group, schemata, named=named, pid=child.pid)
    except OSError as error:
        child.discard()
        text = error.strerror or str(error)
        raise StepFailed("linux.intelRdt", error.errno or 0, text) from error


def _open_sources(plan: InitPlan) -> dict[int, int]:
    """A copy of each bind's source where another user than root could not reach, or not map it."""
    idmapped = any(mount.idmap for mount in plan.mounts)
    if not (idmapped or plan.namespaces & syscalls.CLONE_NEWUSER):
        return {}
    if os.geteuid() != 0 and not idmapped:
        return {}  # without root here only init may, which is root in its own user namespace
    sources = clone_sources(plan.mounts)
    try:
        for index, fd in sources.items():
            if plan.mounts[index].idmap:
                _map_ids(plan.mounts[index], fd)
    except BaseException:
        for fd in sources.values():
            os.close(fd)
        raise
    return sources


def _map_ids(mount: MountPlan, fd: int) -> None:
    uids, gids, recursive = mount.idmap or ((), (), False)
    where = f"mount {mount.source} on {mount.target}"
    try:
        space = _user_namespace(uids, gids)
    except OSError as error:
        raise StepFailed("mount sources", error.errno or 0, f"{where}: {error}") from error
    try:
        syscalls.mount_setattr(
            fd, attributes=words.ATTR_IDMAP, recursive=recursive, user_namespace=space
        )
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        if error.errno == errno.EINVAL:
            reason = "its file system cannot be idmapped by this kernel"
        raise StepFailed("mount sources", error.errno or 0, f"{where}: {reason}") from error
    finally:
        os.close(space)


def _user_namespace(uids: namespaces.Mapping, gids: namespaces.Mapping) -> int:
    """A descriptor of a new one; it needs a process only until its maps are written."""
    ours, theirs = pair()
    try:
        pid, pidfd = syscalls.clone3(syscalls.CLONE_NEWUSER)
        if pid == 0:
            os.close(ours)
            os.read(theirs, 1)
            os._exit(0)
    finally:
        os.close(theirs)
    try:
        namespaces.write_id_maps(pid, uids, gids)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(ours)
        signals.pidfd_send_signal(pidfd, signals.SIGKILL)
        os.close(pidfd)
        os.waitpid(pid, 0)


# --- hooks and agents --------------------------------------------------------------------------


def _run_hooks(child: Child) -> None:
    """prestart and createRuntime, in the bundle's directory as under runc."""
    assert child.plan is not None and child.plan.extras
    told = child.plan.extras
    state = hooks.make_state(
        told.container_id, "creating", child.pid, told.bundle, told.annotations
    )
    before = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.chdir(told.bundle or ".")
        for kind in ("prestart", "createRuntime"):
            _run_kind(kind, told.hooks_of(kind), state)
    finally:
        os.fchdir(before)
        os.close(before)


def _run_kind(kind: str, listed: Sequence[hooks.Hook], state: dict[str, object]) -> None:
    try:
        hooks.run(listed, state)
    except RuntimeFailure as error:
        raise StepFailed(f"{kind} hooks", 0, str(error)) from error


def _tell_agent(child: Child, number: int) -> None:
    """Send the notify descriptor `number` of the child to the agent (config-linux.md, "The
    Container Process State").

    It is fetched, not sent by the child: of all system calls that need only `write` there.
    """
    assert child.process is not None and child.process.extras
    listener = child.process.extras.listener
    assert listener
    fd = syscalls.call("pidfd_getfd", child.pidfd, number, 0, number=_NR_PIDFD_GETFD)
    try:
        _send(listener, json.dumps(_process_state(child, listener)).encode(), fd)
    finally:
        os.close(fd)


def _process_state(child: Child, listener: Listener) -> dict[str, object]:
    first = child.target < 0
    pid, status = (child.pid, "creating") if first else (_pid_of(child.target), "running")
    state = hooks.make_state(
        listener.container_id, status, pid, listener.bundle, dict(listener.annotations)
    )
    return {
        "ociVersion": hooks.OCI_VERSION,
        "fds": ["seccompFd"],
        "pid": child.pid,
        "metadata": listener.metadata,
        "state": state,
    }


def _send(listener: Listener, data: bytes, fd: int) -> None:
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    connection.settimeout(_AGENT_BOUND)
    try:
        connection.connect(listener.path)
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", (fd,)))]
        sent = connection.sendmsg([data], rights)
        connection.sendall(data[sent:])
    except OSError as error:
        reason = error.strerror or str(error)
        text = f"cannot tell the seccomp agent at {listener.path}: {reason}"
        raise OSError(error.errno, text) from error
    finally:
        connection.close()


def _pid_of(pidfd: int) -> int:
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pid:"))
