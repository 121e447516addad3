"""What init does for the few containers and sessions that ask for more (`plan.special`).

Loaded before the clone, by `outside` or by the exec session's helper: afterwards the files of this
program may be out of sight, or out of reach.
"""

import os
from typing import Any

from engine.errors import RuntimeFailure
from engine.runtime import hooks, namespaces, syscalls
from engine.runtime.plan import ContainerExtras, InitPlan, ProcessExtras

from .channel import HOOKED, HOOKS, PID, Channel, StepFailed

_IOPRIO_WHO_PROCESS = 1
_EVERY_CPU = range(8192)
_LABELS = ("/proc/self/attr/apparmor/exec", "/proc/self/attr/exec")


def make_time_namespace(offsets: tuple[tuple[str, int, int], ...]) -> None:
    """Enter a new time namespace whose clocks are set off (time_namespaces(7)).

    Its offsets can be written only as long as nobody is in it, and unshare(2) puts only children
    in. /proc/self is this process's own as long as it has not changed its user.
    """
    syscalls.unshare(syscalls.CLONE_NEWTIME)
    if offsets:
        lines = "".join(f"{clock} {secs} {nanosecs}\n" for clock, secs, nanosecs in offsets)
        _write("/proc/self/timens_offsets", lines)
    fd = os.open("/proc/self/ns/time_for_children", os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.setns(fd, syscalls.CLONE_NEWTIME)
    finally:
        os.close(fd)


def enter_and_clone(plan: InitPlan, channel: Channel) -> None:
    """Join the user namespace; returns in a clone that the new namespaces of the plan belong to.

    The clone is a child of this process's parent and told there as `pid`.
    """
    syscalls.set_dumpable(False)  # the others in that namespace must not look in here
    entered = syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWPID
    paths = {flag: path for flag, path in plan.join if flag & entered}
    opened = {flag: os.open(path, os.O_RDONLY | os.O_CLOEXEC) for flag, path in paths.items()}
    for flag in sorted(opened):  # user first
        syscalls.setns(opened[flag], flag)
        os.close(opened[flag])
    pid, _ = syscalls.clone3(namespaces.at_birth(plan.unshare) | syscalls.CLONE_PARENT)
    if pid:
        channel.send(PID, pid)
        os._exit(0)


# --- hooks -------------------------------------------------------------------------------------


def create_hooks(extras: ContainerExtras, channel: Channel, root: int) -> None:
    """Have those of the runtime's namespaces run, then run those of the container's."""
    if extras.hooks_of("prestart", "createRuntime"):
        channel.send(HOOKS)
        channel.expect(HOOKED)
    os.fchdir(root)
    _run("createContainer", extras, "creating")
    os.chdir("/")


def start_hooks(extras: ContainerExtras) -> None:
    """Run those that come last before the program, as its user."""
    _run("startContainer", extras, "created")


def _run(kind: str, extras: ContainerExtras, status: str) -> None:
    state = hooks.make_state(
        extras.container_id, status, os.getpid(), extras.bundle, extras.annotations
    )
    try:
        hooks.run(extras.hooks_of(kind), state)
    except RuntimeFailure as error:
        raise StepFailed(f"{kind} hooks", 0, str(error)) from error


# --- the process -------------------------------------------------------------------------------


def apply(extras: ProcessExtras) -> None:
    """Personality, I/O priority and scheduler; while this process still may."""
    if extras.personality >= 0:
        syscalls.call("personality", extras.personality)
    if extras.io_priority >= 0:
        syscalls.call("ioprio_set", _IOPRIO_WHO_PROCESS, 0, extras.io_priority)
    if extras.scheduler:
        _set_scheduler(extras.scheduler)


def _set_scheduler(attributes: bytes) -> None:
    try:
        syscalls.call("sched_setattr", 0, attributes, 0)
    except PermissionError as error:
        # sched(7): with CONFIG_RT_GROUP_SCHED a cgroup v1 has no real-time share until it is given
        text = f"{error.strerror} (a real-time policy may need linux.resources.cpu.realtimeRuntime)"
        raise PermissionError(error.errno, text) from error


def set_labels(extras: ProcessExtras) -> None:
    """What the security modules are to make of this process at its next exec."""
    if extras.apparmor:
        path = _LABELS[0] if os.path.exists(_LABELS[0]) else _LABELS[1]
        _write(path, f"exec {extras.apparmor}")
    if extras.selinux:
        _write(_LABELS[1], extras.selinux)


def run_on_first(extras: ProcessExtras) -> None:
    """An exec session's CPUs until it is in the container's cgroup."""
    if extras.cpus_before:
        os.sched_setaffinity(0, extras.cpus_before)


def run_on(extras: ProcessExtras) -> None:
    """And from there on: those that are listed, or all that the cgroup has."""
    if extras.cpus or extras.cpus_before:
        os.sched_setaffinity(0, extras.cpus or _EVERY_CPU)


def _write(path: str, text: str) -> Any:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        what = f"write {text.strip()!r} to {path}: {os.strerror(error.errno or 0)}"
        raise OSError(error.errno, what) from error
    finally:
        os.close(fd)
