"""CPU time: quota, burst, shares, idle, real time, and what was used and throttled.

sched-bwc.rst, sched-rt-group.rst and cpuacct.rst for v1, cgroup-v2.rst.
"""

from collections.abc import Sequence

from engine.errors import InvalidArgument
from engine.runtime.cgroups import files
from engine.runtime.cgroups.resources import Resources
from engine.runtime.cgroups.stats import CpuStats

V1, V2 = "cpu", "cpu"

DEFAULT_PERIOD_US = 100_000
NO_SHARES = (
    "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded."
)
NO_QUOTA = "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded."
NO_BURST = "Your kernel does not support CPU burst. CPU burst discarded."
NO_IDLE = "Your kernel does not support idle cgroups. CPU idle discarded."
NO_REALTIME = (
    "Your kernel does not support CPU real-time scheduling of cgroups. "
    "CPU real-time period/runtime discarded."
)


def discarded(wanted: Resources) -> list[str]:
    warnings = []
    if wanted.cpu_shares is not None:
        warnings.append(NO_SHARES)
    if wanted.cpu_quota is not None or wanted.cpu_period is not None:
        warnings.append(NO_QUOTA)
    if wanted.cpu_burst:
        warnings.append(NO_BURST)
    if wanted.cpu_idle:
        warnings.append(NO_IDLE)
    return warnings + _no_realtime(wanted)


def _no_realtime(wanted: Resources) -> list[str]:
    asked = wanted.realtime_runtime or wanted.realtime_period
    return [NO_REALTIME] if asked else []


def weight(shares: int) -> int:
    """v1 shares (2..262144) as a v2 weight (1..10000), as runc converts."""
    bounded = min(max(shares, 2), 262144)
    return 1 + (bounded - 2) * 9999 // 262142


# One limit to write: file, text, field of OCI, what to say where there is no such file.
_Step = tuple[str, str, str, str]


def apply_v1(directory: str, wanted: Resources) -> list[str]:
    shares = [("cpu.shares", wanted.cpu_shares, "shares", NO_SHARES)]
    bandwidth = [
        ("cpu.cfs_period_us", wanted.cpu_period, "period", NO_QUOTA),
        ("cpu.cfs_quota_us", wanted.cpu_quota, "quota", NO_QUOTA),
        ("cpu.cfs_burst_us", wanted.cpu_burst, "burst", NO_BURST),
    ]
    realtime = [
        ("cpu.rt_period_us", wanted.realtime_period, "realtimePeriod", NO_REALTIME),
        ("cpu.rt_runtime_us", wanted.realtime_runtime, "realtimeRuntime", NO_REALTIME),
    ]
    return [
        *_share(directory, _steps(shares), wanted),
        *_in_some_order(directory, _steps(bandwidth)),
        *_in_some_order(directory, _steps(realtime)),
    ]


def apply_v2(directory: str, wanted: Resources) -> list[str]:
    """v2 has no real-time limits: threads of real time run in the root cgroup only."""
    shares = None if wanted.cpu_shares is None else weight(wanted.cpu_shares)
    bandwidth: list[tuple[str, object, str, str]] = []
    if wanted.cpu_quota is not None or wanted.cpu_period is not None:
        line = cpu_max(wanted, files.read_if_there(f"{directory}/cpu.max"))
        bandwidth.append(("cpu.max", line, "quota", NO_QUOTA))
    bandwidth.append(("cpu.max.burst", wanted.cpu_burst, "burst", NO_BURST))
    return [
        *_share(directory, _steps([("cpu.weight", shares, "shares", NO_SHARES)]), wanted),
        *_in_some_order(directory, _steps(bandwidth)),
        *_no_realtime(wanted),
    ]


def _steps(wanted: Sequence[tuple[str, object, str, str]]) -> list[_Step]:
    return [(name, str(value), field, no) for name, value, field, no in wanted if value is not None]


def _share(directory: str, shares: list[_Step], wanted: Resources) -> list[str]:
    """A cgroup that is idle has no weight to set (sched_group_set_shares): idle goes last, or
    is ended first."""
    idle = _steps([("cpu.idle", wanted.cpu_idle, "idle", NO_IDLE)])
    steps = shares + idle if wanted.cpu_idle else idle + shares
    return _write(directory, steps)


def _in_some_order(directory: str, steps: list[_Step]) -> list[str]:
    """Any one order can pass through what the kernel forbids, a ratio above the parent's or a
    burst above the quota, so the other one is tried before the refusal counts."""
    try:
        return _write(directory, steps)
    except InvalidArgument:
        if len(steps) < 2:
            raise
    return _write(directory, steps[::-1])


def _write(directory: str, steps: list[_Step]) -> list[str]:
    missing = [
        no for name, text, key, no in steps if not files.limit(directory, name, text, f"cpu.{key}")
    ]
    return list(dict.fromkeys(missing))


def cpu_max(wanted: Resources, now: str) -> str:
    """The line for cpu.max, `quota period`; what is not asked for stays as it is."""
    quota, period = [*now.split(), "max", str(DEFAULT_PERIOD_US)][:2] if now else ["max", ""]
    if wanted.cpu_quota is not None:
        quota = "max" if wanted.cpu_quota < 0 else str(wanted.cpu_quota)
    if wanted.cpu_period is not None:
        period = str(wanted.cpu_period)
    return f"{quota} {period or DEFAULT_PERIOD_US}"


def read_v1(cpu: str | None, cpuacct: str | None) -> CpuStats:
    """Read both v1 controllers, which may be mounted apart; either may be missing."""
    stat = files.table(files.read_if_there(f"{cpu}/cpu.stat")) if cpu else {}
    return CpuStats(
        total_ns=files.number(f"{cpuacct}/cpuacct.usage") or 0 if cpuacct else 0,
        user_ns=files.number(f"{cpuacct}/cpuacct.usage_user") or 0 if cpuacct else 0,
        system_ns=files.number(f"{cpuacct}/cpuacct.usage_sys") or 0 if cpuacct else 0,
        per_cpu_ns=_per_cpu(cpuacct) if cpuacct else (),
        periods=stat.get("nr_periods", 0),
        throttled_periods=stat.get("nr_throttled", 0),
        throttled_ns=stat.get("throttled_time", 0),
    )


def _per_cpu(directory: str) -> tuple[int, ...]:
    text = files.read_if_there(f"{directory}/cpuacct.usage_percpu")
    return tuple(int(word) for word in text.split())


def read_v2(directory: str) -> CpuStats:
    stat = files.table(files.read_if_there(f"{directory}/cpu.stat"))
    return CpuStats(
        total_ns=stat.get("usage_usec", 0) * 1000,
        user_ns=stat.get("user_usec", 0) * 1000,
        system_ns=stat.get("system_usec", 0) * 1000,
        periods=stat.get("nr_periods", 0),
        throttled_periods=stat.get("nr_throttled", 0),
        throttled_ns=stat.get("throttled_usec", 0) * 1000,
    )
