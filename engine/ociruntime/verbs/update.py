"""`update`: change the limits of a container that is there."""

import sys
from typing import Any

from engine.errors import InvalidArgument, NotRunning
from engine.ociruntime import bundles, groups, record, store
from engine.ociruntime.commands import Call
from engine.ociruntime.options import Options
from engine.ociruntime.record import Record
from engine.ociruntime.store import Store
from engine.runtime import bundle
from engine.runtime.fields import Fields
from engine.runtime.limits import check_resources

_NUMBERS = (
    ("blkio-weight", "blockIO", "weight"),
    ("cpu-period", "cpu", "period"),
    ("cpu-quota", "cpu", "quota"),
    ("cpu-share", "cpu", "shares"),
    ("cpu-rt-period", "cpu", "realtimePeriod"),
    ("cpu-rt-runtime", "cpu", "realtimeRuntime"),
    ("cpu-burst", "cpu", "burst"),
    ("cpu-idle", "cpu", "idle"),
    ("memory", "memory", "limit"),
    ("memory-reservation", "memory", "reservation"),
    ("memory-swap", "memory", "swap"),
    ("pids-limit", "pids", "limit"),
)
_TEXTS = (("cpuset-cpus", "cpu", "cpus"), ("cpuset-mems", "cpu", "mems"))


def run(call: Call) -> int:
    wanted = _wanted(call.options)
    kept = Store(call.common.text("root") or store.default_root()).hold(call.container_id)
    if kept.status() == record.STOPPED:
        raise NotRunning("container not running")
    warnings: list[str] = []
    check_resources(Fields({"resources": wanted}, "linux"), warnings)
    warnings += groups.limit(kept, groups.manager(kept), wanted)
    for text in warnings:
        call.report.warn(text)
    _keep(kept, wanted)
    return 0


def _wanted(options: Options) -> dict[str, Any]:
    """`linux.resources`, of a file or of the flags; a file has the last word, as in runc."""
    source = options.text("resources")
    if source == "-":
        return bundles.parse(sys.stdin.buffer.read(), "stdin")
    if source:
        with open(source, "rb") as file:
            return bundles.parse(file.read(), source)
    found: dict[str, Any] = {}
    for flag, part, key in _NUMBERS:
        if flag in options.given:
            found.setdefault(part, {})[key] = _number(options, flag)
    for flag, part, key in _TEXTS:
        if flag in options.given:
            found.setdefault(part, {})[key] = options.text(flag)
    return found


def _number(options: Options, flag: str) -> int:
    text = str(options.number(flag)) if flag in {"blkio-weight"} else options.text(flag)
    try:
        return int(text)
    except ValueError:
        raise InvalidArgument(f"invalid value for {flag}: {text!r}") from None


def _keep(kept: Record, wanted: dict[str, Any]) -> None:
    """The configuration that the container has now is what later calls read."""
    path = f"{kept.directory}/{record.CONFIG}"
    config = bundles.parse(bundle.read_bytes(path) or b"{}", path)
    linux = config.setdefault("linux", {})
    linux["resources"] = _merge(linux.get("resources") or {}, wanted)
    bundle.write_atomic(path, record.encode(config).encode(), durable=False)


def _merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _merge(old[key], value)
        for key, value in new.items()
        if isinstance(value, dict) and isinstance(old.get(key), dict)
    }
    return old | new | both
