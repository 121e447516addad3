"""Starting a created container; shared by `start` and `run`."""

import os

from engine.errors import Conflict
from engine.ociruntime import record
from engine.ociruntime.record import Record
from engine.ociruntime.report import Report
from engine.runtime import bundle, gate, signals

_REFUSALS = {
    record.RUNNING: "cannot start an already running container",
    record.STOPPED: "cannot start a container that has stopped",
}


def launch(kept: Record, report: Report) -> None:
    """Release the program of a container that the caller holds.

    Raises Conflict when it is not created, RuntimeFailure when the program cannot be executed.
    """
    status = kept.status()
    if status != record.CREATED:
        text = _REFUSALS.get(status, f"cannot start a container in the {status} state")
        raise Conflict(text)
    forwarder = _forwarder(kept)
    pidfd = signals.pidfd_open(kept.pid)
    try:
        _release(kept)
        _poststart(kept, report)
        if forwarder is not None:
            forwarder.forward(pidfd, kept.pid)
    finally:
        os.close(pidfd)


def _release(kept: Record) -> None:
    try:
        gate.release(kept.directory)
    finally:
        bundle.unlink(f"{kept.directory}/{gate.ENTRY}")
        bundle.unlink(f"{kept.directory}/{gate.ANSWER}")


def _forwarder(kept: Record) -> "Forwarder | None":
    if not os.environ.get("NOTIFY_SOCKET"):
        return None
    from engine.ociruntime import notify

    path = notify.socket_path(kept.directory)
    return notify.Forwarder(path) if os.path.isdir(os.path.dirname(path)) else None


def _poststart(kept: Record, report: Report) -> None:
    """As the specification has it: a failing poststart hook is told of, and changes nothing."""
    failures = _run_hooks(kept, "poststart", record.RUNNING)
    for text in failures:
        report.warn(text)


def _run_hooks(kept: Record, kind: str, status: str) -> list[str]:
    found = hooks(kept, kind)
    if not found:
        return []
    from engine.runtime import hooks as runner

    pid = 0 if status == record.STOPPED else kept.pid
    state = runner.make_state(kept.id, status, pid, kept.bundle, kept.annotations)
    return runner.run_all(found, state)


def hooks(kept: Record, kind: str) -> "list[dict[str, object]]":
    """The hooks of one kind, from the configuration that the container was made with."""
    from engine.ociruntime import parse

    data = bundle.read_bytes(f"{kept.directory}/{record.CONFIG}") or b""
    if b'"hooks"' not in data:
        return []
    config = parse.document(data)
    all_hooks = config.get("hooks") if isinstance(config, dict) else None
    return list((all_hooks or {}).get(kind) or ())


def poststop(kept: Record, report: Report) -> None:
    """Told of, and changes nothing, as poststart; its group of caches goes first."""
    data = bundle.read_bytes(f"{kept.directory}/{record.CONFIG}") or b""
    if b'"intelRdt"' in data:
        from engine.ociruntime import parse
        from engine.runtime import resctrl

        config = parse.document(data)
        resctrl.forget(config if isinstance(config, dict) else {}, kept.id)
    for text in _run_hooks(kept, "poststop", record.STOPPED):
        report.warn(text)


TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.ociruntime.notify import Forwarder
