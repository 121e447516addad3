"""`start`: run the program of a created container."""

from engine.ociruntime import store
from engine.ociruntime.commands import Call
from engine.ociruntime.launch import launch
from engine.ociruntime.store import Store


def run(call: Call) -> int:
    kept = Store(call.common.text("root") or store.default_root()).hold(call.container_id)
    launch(kept, call.report)
    return 0
