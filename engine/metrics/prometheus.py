"""Prometheus' text exposition format (prometheus.io, "Exposition formats", version 0.0.4)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from engine.metrics.history import NAN, Number
from engine.metrics.host import Totals
from engine.metrics.probe import Counters, Limits, Slow
from engine.runtime.cgroups import Pressure

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Container(NamedTuple):
    id: str
    name: str
    counters: Counters
    slow: Slow
    limits: Limits
    pressure: Pressure | None = None


class _Family(NamedTuple):
    name: str
    kind: str
    help: str
    value: Callable[[Container], float]


def _pressure(resource: str, stall: str) -> Callable[[Container], float]:
    """Seconds; NaN where the kernel does not count it."""

    def value(container: Container) -> float:
        if container.pressure is None:
            return NAN
        return float(getattr(getattr(container.pressure, resource), stall)) / 1e6

    return value


_PRESSURE = tuple(
    family
    for resource, what in (("cpu", "a processor"), ("memory", "memory"), ("io", "block I/O"))
    for family in (
        _Family(
            f"pressure_{resource}_waiting_seconds_total",
            "counter",
            f"Time in which some process waited for {what}.",
            _pressure(resource, "some_us"),
        ),
        _Family(
            f"pressure_{resource}_stalled_seconds_total",
            "counter",
            f"Time in which every process waited for {what}.",
            _pressure(resource, "full_us"),
        ),
    )
)
_CONTAINER = (
    _Family(
        "cpu_seconds_total",
        "counter",
        "CPU time used.",
        lambda c: c.counters.cpu_ns / 1e9,
    ),
    _Family(
        "cpu_limit_cores",
        "gauge",
        "CPU quota over period; absent without a quota.",
        lambda c: c.limits.cpu,
    ),
    _Family(
        "cpu_periods_total",
        "counter",
        "Quota periods in which the container wanted to run.",
        lambda c: c.counters.periods,
    ),
    _Family(
        "cpu_throttled_periods_total",
        "counter",
        "Quota periods in which the container used up its quota.",
        lambda c: c.counters.throttled,
    ),
    _Family(
        "memory_usage_bytes",
        "gauge",
        "Memory charged to the container, page cache included.",
        lambda c: c.counters.memory,
    ),
    _Family(
        "memory_working_set_bytes",
        "gauge",
        "Memory in use less page cache that is idle.",
        lambda c: max(0, c.counters.memory - c.slow.inactive_file),
    ),
    _Family("memory_cache_bytes", "gauge", "Page cache.", lambda c: c.slow.cache),
    _Family(
        "memory_limit_bytes",
        "gauge",
        "Memory limit; absent without one.",
        lambda c: c.limits.memory,
    ),
    _Family(
        "oom_kills_total",
        "counter",
        "Processes the kernel killed for memory.",
        lambda c: c.slow.oom_kills,
    ),
    _Family("pids", "gauge", "Processes and threads.", lambda c: c.counters.pids),
    _Family(
        "pids_limit",
        "gauge",
        "Limit of processes and threads; absent without one.",
        lambda c: c.limits.pids,
    ),
    _Family(
        "block_read_bytes_total",
        "counter",
        "Bytes read from block devices.",
        lambda c: c.counters.read,
    ),
    _Family(
        "block_written_bytes_total",
        "counter",
        "Bytes written to block devices.",
        lambda c: c.counters.written,
    ),
    _Family(
        "network_received_bytes_total",
        "counter",
        "Bytes received, the loopback left out.",
        lambda c: c.counters.received,
    ),
    _Family(
        "network_sent_bytes_total",
        "counter",
        "Bytes sent, the loopback left out.",
        lambda c: c.counters.sent,
    ),
)

_HOST_GAUGES = (
    ("cpus", "Processors.", "cpu_total"),
    ("load1", "Load average over 1 minute.", "load1"),
    ("load5", "Load average over 5 minutes.", "load5"),
    ("load15", "Load average over 15 minutes.", "load15"),
    ("memory_used_bytes", "Memory that is not available to new programs.", "memory_bytes"),
    ("memory_total_bytes", "Memory.", "memory_limit"),
    ("swap_used_bytes", "Swap in use.", "swap_bytes"),
    ("processes", "Processes.", "pids"),
    ("disk_used_bytes", "In use on the data directory's file system.", "disk_bytes"),
    ("disk_total_bytes", "Size of the data directory's file system.", "disk_limit"),
)
_HOST_COUNTERS = (
    ("cpu_busy_seconds_total", "CPU time not spent idle.", "cpu_busy"),
    ("block_read_bytes_total", "Bytes read from disks.", "read"),
    ("block_written_bytes_total", "Bytes written to disks.", "written"),
    ("network_received_bytes_total", "Bytes received, the loopback left out.", "received"),
    ("network_sent_bytes_total", "Bytes sent, the loopback left out.", "sent"),
)


def render(
    containers: Sequence[Container],
    host: Mapping[str, Number],
    totals: Totals,
    sweep_seconds: float,
) -> str:
    """All families, each with its HELP and TYPE; a figure that is "no limit" has no line."""
    lines: list[str] = []
    labels = [_labels(container) for container in containers]
    for family in _CONTAINER + _PRESSURE:
        values = (family.value(container) for container in containers)
        samples = [(a, b) for a, b in zip(labels, values, strict=True) if b == b]  # noqa: PLR0124
        lines += _family(f"berth_container_{family.name}", family.kind, family.help, samples)
    lines += _host(host, totals)
    text = "Time the last sweep over all containers took."
    lines += _family("berth_sweep_seconds", "gauge", text, [("", sweep_seconds)])
    return "\n".join(lines) + "\n"


def _host(host: Mapping[str, Number], totals: Totals) -> list[str]:
    lines: list[str] = []
    for name, text, column in _HOST_GAUGES:
        value = host.get(column)
        samples = [("", value)] if value is not None else []
        lines += _family(f"berth_host_{name}", "gauge", text, samples)
    numbers = totals._asdict() if totals.at else {}
    for name, text, key in _HOST_COUNTERS:
        samples = [("", numbers[key])] if numbers else []
        lines += _family(f"berth_host_{name}", "counter", text, samples)
    return lines


def _family(name: str, kind: str, text: str, samples: Iterable[tuple[str, float]]) -> list[str]:
    body = [f"{name}{labels} {value!r}" for labels, value in samples]
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *body] if body else []


def _labels(container: Container) -> str:
    return f'{{id="{escape(container.id)}",name="{escape(container.name)}"}}'


def escape(value: str) -> str:
    r"""A label's value: backslash, double quote and line feed as \\, \" and \n."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
