"""The steps of a start, in order. Each is small, named, and reported by its name when it fails.

Namespaces come first, then the file systems while the host's /proc is still in sight, then the
pivot, and last the privileges: nothing after a step needs what that step gave up.
"""

import errno
import gc
import os
from collections.abc import Callable
from typing import NoReturn, TypeVar

from engine.runtime import devices, gate, namespaces, rlimits, syscalls, terminal
from engine.runtime.kit import within
from engine.runtime.plan import ExecPlan, InitPlan
from engine.runtime.rootfs import hide, paths, root
from engine.runtime.rootfs.mounts import Mounter, clone_sources
from engine.runtime.rootfs.stage import Trees, close, remaining

from . import identity, program, settings
from .channel import ERROR, PID, READY, TERMINAL, Channel, StepFailed
from .context import Context, InitContext

_KILL = 9

Body = Callable[[Channel], None]


_C = TypeVar("_C", bound=Context)
Step = tuple[str, Callable[[InitContext], None]]
ExecStep = tuple[str, Callable[[Context], None]]


def run(
    plan: InitPlan,
    channel: Channel,
    *,
    gated: bool = False,
    sourced: bool = False,
    trees: Trees | None = None,
) -> NoReturn:
    """Set a container up in this freshly cloned process and execute its program.

    Sends `ready` once everything but the exec is done and blocks until `start`; a failure is sent
    as `error` and ends the process. See `channel` for the messages. With a gate, whose descriptors
    follow the channel's, `start` means that it is to wait there, and may lose its parent. Where the
    sources of bind mounts are given, too, their descriptors come next. `trees`, those of the plan's
    kit, are put where they belong; the process has the cgroup namespace that the kit wants.
    """
    guarded(lambda: _run_init(InitContext(plan, channel, gated, sourced, trees)), channel)


def run_exec(plan: ExecPlan, channel: Channel, join: int, *, orphaned: bool = False) -> NoReturn:
    """Join the container whose init the pidfd after the channel holds; execute a program there.

    A second process does the work, because a pid namespace is entered only by birth. It is made
    with CLONE_PARENT, so that the caller's parent has it as a child; its pid is sent as `pid`.
    """
    guarded(lambda: _run_exec(plan, channel, join, orphaned), channel)


def guarded(body: Callable[[], None], channel: Channel) -> NoReturn:
    """Run to the exec or to an error message; nothing returns into the monitor's own frames."""
    gc.disable()  # a collection would touch, and so copy, the pages shared with the monitor
    try:
        body()
    except StepFailed as error:
        channel.send(ERROR, error.step, error.errno, error.text)
    except Exception as error:  # noqa: BLE001  the last frame that can still tell anybody
        channel.send(ERROR, "init", 0, repr(error))
    finally:
        os._exit(255)


def _run_init(context: InitContext) -> None:
    for name, step in INIT_STEPS:
        _do(name, step, context)
    _finish(context)


def _run_exec(plan: ExecPlan, channel: Channel, join: int, orphaned: bool) -> None:
    context = Context(plan, channel)
    context.orphaned = orphaned
    _do("oom score", _oom_score, context)
    if plan.extras:
        _do("process", _before_joining, context)
    _do("join", lambda _: _join_container(channel, channel.fd + 1, join), context)
    context.root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for name, step in EXEC_STEPS:
        _do(name, step, context)
    _finish(context)


def _do(name: str, step: Callable[[_C], None], context: _C) -> None:
    try:
        step(context)
    except OSError as error:
        raise StepFailed(name, error.errno or 0, _describe(error)) from error


def _describe(error: OSError) -> str:
    text = error.strerror or str(error)
    return text if error.filename is None else f"{os.fsdecode(error.filename)}: {text}"


# --- the container's own -----------------------------------------------------------------------


def _namespaces(context: InitContext) -> None:
    os.umask(0)
    plan = context.plan
    if plan.unshare & syscalls.CLONE_NEWUSER:
        context.wait_attached()  # the maps are written by then
    if any(flag == syscalls.CLONE_NEWPID for flag, _ in plan.join):
        syscalls.set_dumpable(False)  # the others in that namespace must not look in here
    if not plan.unshare & syscalls.CLONE_NEWUSER:
        _oom_score(context)  # before a user namespace is joined, where it could only be refused
    if plan.unshare & syscalls.CLONE_NEWTIME:
        from . import extras

        extras.make_time_namespace(plan.extras.time_offsets if plan.extras else ())
    namespaces.join(plan.join)


def _sources(context: InitContext) -> None:
    if context.clones is None:
        context.clones = clone_sources(context.plan.mounts)


def _root(context: InitContext) -> None:
    plan = context.plan
    root.isolate(plan.root_propagation)
    context.root = root.mount_root(plan.root, plan.rootfs_mounts, plan.root_propagation)


def _own_ids(context: InitContext) -> None:
    """Become the namespace's root, for files made from here on.

    Until the root file system is found, this process is the one who owns it on the host.
    """
    if context.plan.namespaces & syscalls.CLONE_NEWUSER:
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)


def _mounts(context: InitContext) -> None:
    assert context.clones is not None
    plan, trees = context.plan, context.trees
    context.mounter = Mounter(context.root, plan.mounts, context.clones, trees)
    context.mounter.make()


def _devices(context: InitContext) -> None:
    trees = context.trees
    devices.make_nodes(context.root, (d for d in context.plan.devices if not within(trees, d.path)))
    if "/dev" not in trees:
        devices.make_links(context.root)


def _console(context: InitContext) -> None:
    if context.process.terminal:
        _terminal(context)
        terminal.bind_console(context.root, context.slave)


def _names(context: InitContext) -> None:
    plan = context.plan
    settings.set_names(plan.hostname, plan.domainname)
    if plan.unshare & syscalls.CLONE_NEWNET:
        settings.raise_loopback()
    settings.set_sysctl(plan.sysctl)


def _cgroup(context: InitContext) -> None:
    """Last of the mounts: waiting for the cgroup costs nothing while the rest is being done."""
    context.wait_attached()
    if context.plan.unshare & syscalls.CLONE_NEWCGROUP and not context.trees:
        syscalls.unshare(syscalls.CLONE_NEWCGROUP)
    assert context.mounter is not None
    context.mounter.make_cgroup(context.plan.cgroup_view)


def _hooks(context: InitContext) -> None:
    """The container is there but for the pivot: the runtime's own files are still in sight."""
    plan = context.plan
    if plan.extras and plan.extras.hooks:
        from . import extras

        extras.create_hooks(plan.extras, context.channel, context.root)
    if plan.process.extras:
        from . import extras

        extras.set_labels(plan.process.extras)


def _hidden(context: InitContext) -> None:
    assert context.mounter is not None
    done = {} if context.mounter.strayed else context.trees  # what came in there is hidden, too
    hide.make_readonly(context.root, remaining(done, context.plan.readonly_paths))
    hide.mask(context.root, remaining(done, context.plan.masked_paths))
    close(context.trees)


def _make_cwd(context: InitContext) -> None:
    """As runc does: a working directory that the image lacks is made, and belongs to root."""
    os.close(paths.make_directory(context.root, context.process.cwd))


def _pivot(context: InitContext) -> None:
    if context.plan.extras and context.plan.extras.no_pivot:
        root.cover(context.root)
    else:
        root.pivot(context.root)
    root.finish(context.plan.root_propagation, context.plan.root_readonly)


# --- common to both ----------------------------------------------------------------------------


def _oom_score(context: Context) -> None:
    if context.process.oom_score_adj is not None:
        context.warnings += settings.set_oom_score(context.process.oom_score_adj)


def _terminal(context: Context) -> None:
    plan = context.process
    context.master, context.slave = terminal.open_pair(context.root)
    if plan.rows and plan.columns:
        terminal.resize(context.master, plan.rows, plan.columns)


def _session(context: Context) -> None:
    os.setsid()
    if context.slave >= 0:
        terminal.control(context.slave)
    identity.own_streams(context.process.uid, context.slave >= 0)


def _report_terminal(context: Context) -> None:
    """Nothing of the host may be open from here on but channel and gate (CVE-2024-21626)."""
    if context.own_keyring:
        identity.leave_keyring()
    if context.master >= 0:
        context.channel.send(TERMINAL, fds=(context.master,))
    syscalls.close_range(context.channel.fd + 1 + len(context.gate or ()))


def _limits(context: Context) -> None:
    if context.process.extras:
        from . import extras

        extras.apply(context.process.extras)
    context.warnings += rlimits.apply(context.process.rlimits)


def _user(context: Context) -> None:
    """As runc does: enter the directory with root's rights or, as NFS homes need, the user's."""
    reached = _change_directory(context.process.cwd, False)
    context.environment = identity.environment(context.process)
    context.warnings += identity.become(context.process, context.channel)
    if not reached:
        _change_directory(context.process.cwd, True)
    _check_cwd(context.process.cwd)
    identity.default_signals()
    if not context.orphaned:
        syscalls.set_parent_death_signal(_KILL)  # only now: a change of user would take it back
    if context.process.no_new_privileges and identity.has_listener(context.process):
        identity.load_seccomp(context.process, context.channel)


def _change_directory(path: str, required: bool) -> bool:
    try:
        os.chdir(path)
    except OSError as error:
        if error.errno == errno.EACCES and not required:
            return False
        text = f'chdir to cwd ("{path}"): {os.strerror(error.errno or 0).lower()}'
        raise StepFailed("working directory", error.errno or 0, text) from error
    return True


def _check_cwd(path: str) -> None:
    """A directory outside the root has no path here; the kernel says `(unreachable)`."""
    try:
        where = os.getcwd()
    except FileNotFoundError:
        where = ""
    if not where.startswith("/"):
        text = f'chdir to cwd ("{path}"): it is outside of the container\'s root'
        raise StepFailed("working directory", errno.EPERM, text)


def _finish(context: Context) -> NoReturn:
    if context.gate:
        _find(context)  # as runc does: `create` tells of a program that is not there
    _do("ready", _ready, context)
    plan = context.process
    context.channel.wait_start()
    if context.gate:
        context.channel.leave(context.gate[1])
        gate.wait(context.gate[0])
    if isinstance(context, InitContext) and context.plan.extras:
        from . import extras

        extras.start_hooks(context.plan.extras)
    path = _find(context)
    program.refuse_own_binary(path, context.own_binary)
    if context.gate:
        gate.tell(context.gate[1])
    if plan.no_new_privileges and not identity.has_listener(plan):
        _do("seccomp", lambda c: identity.load_seccomp(c.process, c.channel), context)
    program.execute(path, plan.args, context.environment)


def _find(context: Context) -> str:
    path = os.fsdecode(context.environment.get(b"PATH", b""))
    return program.find(context.process.args[0], path)


def _ready(context: Context) -> None:
    context.channel.send(READY, tuple(context.warnings))


# --- exec sessions -----------------------------------------------------------------------------


def _join_container(channel: Channel, target: int, join: int) -> None:
    """Enter every namespace at once; from there on as invisible to the container as can be."""
    syscalls.set_dumpable(False)
    syscalls.setns(target, join)
    os.close(target)
    pid, pidfd = syscalls.clone3(syscalls.CLONE_PARENT)
    if pid:
        channel.send(PID, pid)
        os._exit(0)
    assert pidfd < 0


def _exec_console(context: Context) -> None:
    if context.process.terminal:
        _terminal(context)


def _before_joining(context: Context) -> None:
    """While the files of this program and the host's /proc are in sight."""
    from . import extras

    assert context.process.extras
    extras.set_labels(context.process.extras)
    extras.run_on_first(context.process.extras)


def _wait_attached(context: Context) -> None:
    context.wait_attached()
    if context.process.extras:
        from . import extras

        extras.run_on(context.process.extras)


INIT_STEPS: tuple[Step, ...] = (
    ("namespaces", _namespaces),
    ("mount sources", _sources),
    ("root", _root),
    ("user namespace", _own_ids),
    ("mounts", _mounts),
    ("devices", _devices),
    ("terminal", _console),
    ("settings", _names),
    ("working directory", _make_cwd),
    ("cgroup", _cgroup),
    ("hooks", _hooks),
    ("hidden paths", _hidden),
    ("pivot", _pivot),
    ("session", _session),
    ("descriptors", _report_terminal),
    ("limits", _limits),
    ("user", _user),
)

EXEC_STEPS: tuple[ExecStep, ...] = (
    ("cgroup", _wait_attached),
    ("terminal", _exec_console),
    ("session", _session),
    ("descriptors", _report_terminal),
    ("limits", _limits),
    ("user", _user),
)
