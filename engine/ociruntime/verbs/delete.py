"""`delete`: what a stopped container holds; with --force a running one, too."""

from engine.errors import Conflict, NotFound
from engine.ociruntime import record, store
from engine.ociruntime.commands import Call
from engine.ociruntime.store import Store


def run(call: Call) -> int:
    force = call.options.flag("force")
    containers = Store(call.common.text("root") or store.default_root())
    try:
        kept = containers.hold_remains(call.container_id)
    except NotFound:
        if force:
            return 0
        raise
    from engine.ociruntime import destroy

    status = kept.status() if kept.made else record.STOPPED
    if status not in {record.STOPPED, record.CREATED} and not force:
        raise Conflict(f"cannot delete container {kept.id} that is not stopped: {status}")
    destroy.end(kept)
    destroy.destroy(kept, call.report)
    return 0
