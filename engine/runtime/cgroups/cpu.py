"""CPU time: quota, shares, use and throttling (sched-bwc.rst, cpuacct.rst, cgroup-v2.rst)."""

import errno

from engine.runtime.cgroups import files
from engine.runtime.cgroups.resources import Resources
from engine.runtime.cgroups.stats import CpuStats

V1, V2 = "cpu", "cpu"

DEFAULT_PERIOD_US = 100_000
NO_SHARES = (
    "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded."
)
NO_QUOTA = "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded."


def discarded(wanted: Resources) -> list[str]:
    warnings = []
    if wanted.cpu_shares is not None:
        warnings.append(NO_SHARES)
    if wanted.cpu_quota is not None or wanted.cpu_period is not None:
        warnings.append(NO_QUOTA)
    return warnings


def weight(shares: int) -> int:
    """v1 shares (2..262144) as a v2 weight (1..10000), as runc converts."""
    bounded = min(max(shares, 2), 262144)
    return 1 + (bounded - 2) * 9999 // 262142


def apply_v1(directory: str, wanted: Resources) -> list[str]:
    warnings = []
    if wanted.cpu_shares is not None and not files.write_if_there(
        f"{directory}/cpu.shares", str(wanted.cpu_shares)
    ):
        warnings.append(NO_SHARES)
    if not _bandwidth_v1(directory, wanted):
        warnings.append(NO_QUOTA)
    return warnings


def _bandwidth_v1(directory: str, wanted: Resources) -> bool:
    """Write period and quota; False when the kernel has no bandwidth control.

    Either order can pass through a ratio that the parent forbids (EINVAL), so both are tried.
    """
    steps = [
        (f"{directory}/cpu.cfs_period_us", wanted.cpu_period),
        (f"{directory}/cpu.cfs_quota_us", wanted.cpu_quota),
    ]
    try:
        return _write_all(steps)
    except OSError as error:
        if error.errno != errno.EINVAL or None in {wanted.cpu_period, wanted.cpu_quota}:
            raise
    return _write_all(steps[::-1])


def _write_all(steps: list[tuple[str, int | None]]) -> bool:
    return all(files.write_if_there(path, str(value)) for path, value in steps if value is not None)


def apply_v2(directory: str, wanted: Resources) -> list[str]:
    warnings = []
    if wanted.cpu_shares is not None and not files.write_if_there(
        f"{directory}/cpu.weight", str(weight(wanted.cpu_shares))
    ):
        warnings.append(NO_SHARES)
    if wanted.cpu_quota is not None or wanted.cpu_period is not None:
        path = f"{directory}/cpu.max"
        if not files.write_if_there(path, cpu_max(wanted, files.read_if_there(path))):
            warnings.append(NO_QUOTA)
    return warnings


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
