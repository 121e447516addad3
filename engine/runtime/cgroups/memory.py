"""Memory, swap and their accounting (memory.rst for v1, cgroup-v2.rst)."""

import errno

from engine.errors import InvalidArgument
from engine.runtime.cgroups import files
from engine.runtime.cgroups.resources import Resources
from engine.runtime.cgroups.stats import MemoryStats

V1, V2 = "memory", "memory"

_UNSUPPORTED = "Your kernel does not support"
NO_LIMIT = (
    f"{_UNSUPPORTED} memory limit capabilities or the cgroup is not mounted. Limitation discarded."
)
NO_SWAP = (
    f"{_UNSUPPORTED} swap limit capabilities or the cgroup is not mounted. "
    "Memory limited without swap."
)
NO_SOFT = (
    f"{_UNSUPPORTED} memory soft limit capabilities or the cgroup is not mounted. "
    "Limitation discarded."
)
NO_SWAPPINESS = (
    f"{_UNSUPPORTED} memory swappiness capabilities or the cgroup is not mounted. "
    "Memory swappiness discarded."
)
NO_OOM_DISABLE = f"{_UNSUPPORTED} OomKillDisable. OomKillDisable discarded."


def swap_total(wanted: Resources) -> int | None:
    """Memory and swap together: as asked, or Docker's twice the memory."""
    if wanted.memory_swap is not None or wanted.memory is None:
        return wanted.memory_swap
    return -1 if wanted.memory < 0 else 2 * wanted.memory


def discarded(wanted: Resources) -> list[str]:
    """What to say when there is no memory controller at all."""
    warnings = []
    if wanted.memory is not None or wanted.memory_swap is not None:
        warnings.append(NO_LIMIT)
    if wanted.memory_reservation is not None:
        warnings.append(NO_SOFT)
    if _swappiness(wanted) is not None:
        warnings.append(NO_SWAPPINESS)
    if wanted.oom_kill_disable:
        warnings.append(NO_OOM_DISABLE)
    return warnings


def apply_v1(directory: str, wanted: Resources) -> list[str]:
    """Set the limits; return warnings. Raises InvalidArgument when memory in use forbids it."""
    warnings = _limit_v1(directory, wanted)
    if wanted.memory_reservation is not None:
        _set(
            f"{directory}/memory.soft_limit_in_bytes", wanted.memory_reservation, warnings, NO_SOFT
        )
    swappiness = _swappiness(wanted)
    if swappiness is not None:
        _set(f"{directory}/memory.swappiness", swappiness, warnings, NO_SWAPPINESS)
    if wanted.oom_kill_disable is not None:
        value = int(wanted.oom_kill_disable)
        _set(f"{directory}/memory.oom_control", value, warnings, NO_OOM_DISABLE)
    return warnings


def _swappiness(wanted: Resources) -> int | None:
    value = wanted.memory_swappiness
    return None if value is None or value < 0 else value


def _set(path: str, value: int, warnings: list[str], missing: str) -> None:
    if not files.write_if_there(path, str(value)):
        warnings.append(missing)


def _limit_v1(directory: str, wanted: Resources) -> list[str]:
    """Keep memory <= memory+swap at every step: raise the total first, lower it last."""
    warnings: list[str] = []
    limit = (f"{directory}/memory.limit_in_bytes", wanted.memory, NO_LIMIT)
    total = (f"{directory}/memory.memsw.limit_in_bytes", swap_total(wanted), NO_SWAP)
    steps = [total, limit] if _raises_total(total[0], total[1]) else [limit, total]
    for path, value, missing in steps:
        if value is not None:
            _set_limit(path, value, warnings, missing)
    return warnings


def _raises_total(path: str, value: int | None) -> bool:
    if value is None:
        return False
    now = files.number(path)
    return now is not None and (value < 0 or value > now)


def _set_limit(path: str, value: int, warnings: list[str], missing: str) -> None:
    try:
        _set(path, value, warnings, missing)
    except OSError as error:
        if error.errno == errno.EBUSY:
            message = f"memory limit {value} is below the memory in use, which cannot be reclaimed"
        elif error.errno == errno.EINVAL:
            message = f"memory limit {value} does not fit the memory and swap limit set already"
        else:
            raise
        raise InvalidArgument(message) from error


def apply_v2(directory: str, wanted: Resources) -> list[str]:
    """Set the limits; return warnings. v2 has no swappiness and no way to stop the OOM killer."""
    warnings: list[str] = []
    swap = swap_v2(wanted)
    # First swap, so that a lowered memory.max does not push into swap that is about to be taken.
    if swap is not None:
        _set_v2(f"{directory}/memory.swap.max", swap, warnings, NO_SWAP)
    if wanted.memory is not None:
        _set_v2(f"{directory}/memory.max", wanted.memory, warnings, NO_LIMIT)
    if wanted.memory_reservation is not None:
        _set_v2(f"{directory}/memory.low", wanted.memory_reservation, warnings, NO_SOFT)
    if _swappiness(wanted) is not None:
        warnings.append(NO_SWAPPINESS)
    if wanted.oom_kill_disable:
        warnings.append(NO_OOM_DISABLE)
    return warnings


def swap_v2(wanted: Resources) -> int | None:
    """Swap alone, which is what v2 limits: the total less the memory; -1 for no limit.

    Raises InvalidArgument for a total below the memory, and for a total with no memory limit to
    take from it.
    """
    total = swap_total(wanted)
    if total is None or total < 0:
        return total
    if wanted.memory is None or wanted.memory < 0:
        raise InvalidArgument(f"memory swap limit {total} needs a memory limit beside it")
    if total < wanted.memory:
        raise InvalidArgument(f"memory swap limit {total} is below memory limit {wanted.memory}")
    return total - wanted.memory


def _set_v2(path: str, value: int, warnings: list[str], missing: str) -> None:
    if not files.write_if_there(path, "max" if value < 0 else str(value)):
        warnings.append(missing)


def read_v1(directory: str) -> MemoryStats:
    usage = files.number(f"{directory}/memory.usage_in_bytes") or 0
    stat = files.table(files.read_if_there(f"{directory}/memory.stat"))
    limit = files.number(f"{directory}/memory.limit_in_bytes")
    total_limit = files.number(f"{directory}/memory.memsw.limit_in_bytes")
    return MemoryStats(
        usage=usage,
        working_set=max(0, usage - stat.get("total_inactive_file", 0)),
        cache=stat.get("total_cache", 0),
        limit=limit,
        max_usage=files.number(f"{directory}/memory.max_usage_in_bytes") or 0,
        failcnt=files.number(f"{directory}/memory.failcnt") or 0,
        swap=stat.get("total_swap", 0),
        swap_limit=None if total_limit is None else total_limit - (limit or 0),
        stat=stat,
    )


def read_v2(directory: str) -> MemoryStats:
    usage = files.number(f"{directory}/memory.current") or 0
    stat = files.table(files.read_if_there(f"{directory}/memory.stat"))
    events = files.table(files.read_if_there(f"{directory}/memory.events"))
    return MemoryStats(
        usage=usage,
        working_set=max(0, usage - stat.get("inactive_file", 0)),
        cache=stat.get("file", 0),
        limit=files.number(f"{directory}/memory.max"),
        max_usage=files.number(f"{directory}/memory.peak") or 0,
        failcnt=events.get("max", 0),
        swap=files.number(f"{directory}/memory.swap.current") or 0,
        swap_limit=files.number(f"{directory}/memory.swap.max"),
        stat=stat,
    )


def oom_kills_v1(directory: str) -> int:
    """Processes of this cgroup the kernel killed; v1 does not count those of cgroups below it."""
    control = files.table(files.read_if_there(f"{directory}/memory.oom_control"))
    return control.get("oom_kill", 0)


def oom_kills_v2(directory: str) -> int:
    events = files.table(files.read_if_there(f"{directory}/memory.events"))
    return events.get("oom_kill", 0)
