"""`exec`: a further process in a running container, under the container's own policy."""

import os
from typing import Any

from engine.errors import Conflict, InvalidArgument, NotRunning, RuntimeFailure
from engine.ociruntime import bundles, console, groups, record, store, streams
from engine.ociruntime.commands import Call
from engine.ociruntime.make import write_pid
from engine.ociruntime.record import Record
from engine.ociruntime.relay import Pipes, Relay, Terminal
from engine.ociruntime.store import Store
from engine.runtime import bundle, plan, signals
from engine.runtime.init import Child, StepFailed, spawn_exec
from engine.runtime.plan import ExecPlan

_SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")


def run(call: Call) -> int:
    inherited = streams.preserved(call.options.number("preserve-fds"))
    kept = Store(call.common.text("root") or store.default_root()).find(call.container_id)
    target = _target(kept, call)
    warnings: list[str] = []
    compiled = _compile(kept, call, warnings)
    for text in warnings:
        call.report.warn(text)
    try:
        return _run(kept, compiled, call, target, inherited)
    except StepFailed as failed:
        raise RuntimeFailure(f"unable to start container process: {failed}") from failed


def _target(kept: Record, call: Call) -> int:
    """A pidfd of the container's first process."""
    status = kept.status()
    if status == record.PAUSED and not call.options.flag("ignore-paused"):
        raise Conflict("cannot exec in a paused container (use --ignore-paused to override)")
    try:
        target = signals.pidfd_open(kept.pid) if kept.pid else -1
    except ProcessLookupError:
        target = -1
    if target < 0 or not kept.alive():  # asked only now: the descriptor is of that process
        raise NotRunning("cannot exec in a stopped container")
    return target


# --- what to run -------------------------------------------------------------------------------


def _compile(kept: Record, call: Call, warnings: list[str]) -> ExecPlan:
    program = bundle.read_bytes(f"{kept.directory}/{record.SECCOMP}") or b""
    data = bundle.read_bytes(f"{kept.directory}/{record.CONFIG}") or b""
    compiled = plan.compile_exec(
        _process(kept, call),
        warnings=warnings,
        config=bundles.parse(data, record.CONFIG),
        container_id=kept.id,
        bundle=kept.bundle,
    )
    return compiled.with_seccomp(program, kept.seccomp_flags)


def _process(kept: Record, call: Call) -> dict[str, Any]:
    """The process to run: of a file, or the container's own as the flags change it."""
    path = call.options.text("process")
    if path:
        with open(path, "rb") as file:
            return bundles.parse(file.read(), path)
    arguments = call.options.arguments[1:]
    if not arguments:
        raise InvalidArgument("process args cannot be empty")
    data = bundle.read_bytes(f"{kept.directory}/{record.CONFIG}") or b""
    process: dict[str, Any] = dict(bundles.parse(data, record.CONFIG)["process"])
    process["args"] = arguments
    process["terminal"] = call.options.flag("tty")
    process["env"] = [*(process.get("env") or ()), *call.options.texts("env")]
    process["env"] += streams.environment()
    _change(process, call)
    return process


def _change(process: dict[str, Any], call: Call) -> None:
    options = call.options
    for flag, key in (
        ("cwd", "cwd"),
        ("apparmor", "apparmorProfile"),
        ("process-label", "selinuxLabel"),
    ):
        if options.text(flag):
            process[key] = options.text(flag)
    if "no-new-privs" in options.given:
        process["noNewPrivileges"] = options.flag("no-new-privs")
    if options.texts("cap"):
        process["capabilities"] = _with(process.get("capabilities") or {}, options.texts("cap"))
    _change_user(process, call)


def _with(sets: dict[str, list[str]], names: list[str]) -> dict[str, list[str]]:
    return {each: [*(sets.get(each) or ()), *names] for each in _SETS}


def _change_user(process: dict[str, Any], call: Call) -> None:
    user, gids = call.options.text("user"), call.options.texts("additional-gids")
    if not user and not gids:
        return
    changed = dict(process.get("user") or {})
    if user:
        uid, colon, gid = user.partition(":")
        changed["uid"] = _number(uid, "user")
        if colon:
            changed["gid"] = _number(gid, "user")
    if gids:
        more = [_number(each, "additional-gids") for each in gids]
        changed["additionalGids"] = [*(changed.get("additionalGids") or ()), *more]
    process["user"] = changed


def _number(text: str, flag: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise InvalidArgument(f"--{flag}: must be numeric ids, got {text!r}")
    return int(text)


# --- running it --------------------------------------------------------------------------------


def _run(
    kept: Record, compiled: ExecPlan, call: Call, target: int, inherited: streams.Streams
) -> int:
    detached = call.options.flag("detach")
    path = call.options.text("console-socket")
    socket = console.connect(path, terminal=compiled.terminal, detached=detached)
    pipes = None if detached or compiled.terminal else Pipes()
    stdio = streams.STDIO if pipes is None else pipes.child
    child = spawn_exec(
        compiled,
        (*stdio, *inherited),
        target=target,
        namespaces=kept.namespaces,
        orphaned=True,
    )
    try:
        return _release(kept, child, call, socket, pipes)
    except BaseException:
        _end(child)
        raise


def _release(
    kept: Record,
    child: Child,
    call: Call,
    socket: console.ConsoleSocket | None,
    pipes: Pipes | None,
) -> int:
    _attach(kept, child.pid, call.options.texts("cgroup"))
    child.attached()
    child.wait_ready()
    relay = Relay(child.pid, child.pidfd)
    if pipes is not None:
        pipes.release()
        relay.use_pipes(pipes)
    if child.terminal is not None:
        if socket is not None:
            socket.send(child.terminal)
        else:
            relay.use_terminal(Terminal(child.terminal))
    child.start()
    if call.options.text("pid-file"):
        write_pid(call.options.text("pid-file"), child.pid)
    return 0 if call.options.flag("detach") else relay.run()


def _end(child: Child) -> None:
    try:
        signals.pidfd_send_signal(child.pidfd, signals.SIGKILL)
        os.waitpid(child.pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return  # it has ended, and may have been reaped


def _attach(kept: Record, pid: int, wanted: list[str]) -> None:
    if kept.cgroup:
        groups.join(groups.manager(kept), pid, kept.pid, wanted)
