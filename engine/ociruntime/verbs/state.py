"""`state`: the container's state as JSON."""

from engine.ociruntime import record, store
from engine.ociruntime.commands import Call
from engine.ociruntime.store import Store


def run(call: Call) -> int:
    kept = Store(call.common.text("root") or store.default_root()).find(call.container_id)
    print(record.encode(kept.to_oci(), "  "))
    return 0
