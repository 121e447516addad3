"""`list`: every container of this root."""

from engine.errors import InvalidArgument, NotFound
from engine.ociruntime import record, store, table
from engine.ociruntime.commands import Call
from engine.ociruntime.record import Record
from engine.ociruntime.store import Store

_COLUMNS = ("id", "pid", "status", "bundle", "created", "owner")


def run(call: Call) -> int:
    containers = Store(call.common.text("root") or store.default_root())
    form = call.options.text("format") or "table"
    if form not in {"table", "json"}:
        raise InvalidArgument("invalid format option")
    if call.options.flag("quiet"):
        print("".join(f"{each.id}\n" for each in _all(containers)), end="")
        return 0
    states = [each.to_oci() for each in _all(containers)]
    if form == "json":
        print(record.encode(states) if states else "null")
    else:
        rows = [tuple(str(each[column]) for column in _COLUMNS) for each in states]
        print(table.render((tuple(name.upper() for name in _COLUMNS), *rows)), end="")
    return 0


def _all(containers: Store) -> list[Record]:
    found = []
    for name in containers.ids():
        try:
            found.append(containers.find(name))
        except NotFound:
            continue  # being made, or deleted since the directory was read
    return found
