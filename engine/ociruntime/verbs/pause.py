"""`pause`: stop every process of a container."""

from engine.errors import Conflict, NotRunning
from engine.ociruntime import groups, record, store
from engine.ociruntime.commands import Call
from engine.ociruntime.store import Store


def run(call: Call) -> int:
    kept = Store(call.common.text("root") or store.default_root()).hold(call.container_id)
    status = kept.status()
    if status == record.PAUSED:
        raise Conflict("container already paused")
    if status not in {record.RUNNING, record.CREATED}:
        raise NotRunning("container not running or created")
    groups.manager(kept).freeze()
    return 0
