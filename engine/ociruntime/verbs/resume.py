"""`resume`: let a paused container's processes go on."""

from engine.errors import Conflict
from engine.ociruntime import groups, record, store
from engine.ociruntime.commands import Call
from engine.ociruntime.store import Store


def run(call: Call) -> int:
    kept = Store(call.common.text("root") or store.default_root()).hold(call.container_id)
    if kept.status() != record.PAUSED:
        raise Conflict("container not paused")
    groups.manager(kept).thaw()
    return 0
