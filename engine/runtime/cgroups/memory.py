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
NO_OOM = f"{_UNSUPPORTED} OomKillDisable. OomKillDisable discarded."


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
        warnings.append(NO_OOM)
    return warnings


def apply_v1(directory: str, wanted: Resources) -> list[str]:
    """Set the limits; return warnings. Raises InvalidArgument when memory in use forbids it."""
    _check_use(f"{directory}/memory.usage_in_bytes", wanted)
    warnings = _limit_v1(directory, wanted)
    oom = wanted.oom_kill_disable
    for name, value, field, missing in (
        ("memory.soft_limit_in_bytes", wanted.memory_reservation, "reservation", NO_SOFT),
        ("memory.swappiness", _swappiness(wanted), "swappiness", NO_SWAPPINESS),
        ("memory.oom_control", None if oom is None else int(oom), "disableOOMKiller", NO_OOM),
    ):
        if value is not None and not _set(directory, name, value, field):
            warnings.append(missing)
    return warnings


def _set(directory: str, name: str, value: int, field: str) -> bool:
    return files.limit(directory, name, str(value), f"memory.{field}")


def _check_use(path: str, wanted: Resources) -> None:
    """What OCI calls checkBeforeUpdate: v2 would kill, rather than refuse such a limit."""
    limit, used = wanted.memory, files.number(path)
    if wanted.check_before_update and limit is not None and used is not None and 0 < limit < used:
        text = f"memory limit {limit} is below the memory in use, {used}"
        raise InvalidArgument(f"linux.resources.memory.limit: {text}")


def _swappiness(wanted: Resources) -> int | None:
    value = wanted.memory_swappiness
    return None if value is None or value < 0 else value


def _limit_v1(directory: str, wanted: Resources) -> list[str]:
    """Keep memory <= memory+swap at every step: raise the total first, lower it last."""
    limit = ("memory.limit_in_bytes", wanted.memory, "limit", NO_LIMIT)
    total = ("memory.memsw.limit_in_bytes", swap_total(wanted), "swap", NO_SWAP)
    raises = _raises_total(f"{directory}/{total[0]}", total[1])
    return [
        missing
        for name, value, field, missing in ([total, limit] if raises else [limit, total])
        if value is not None and not _set_limit(directory, name, value, field)
    ]


def _raises_total(path: str, value: int | None) -> bool:
    if value is None:
        return False
    now = files.number(path)
    return now is not None and (value < 0 or value > now)


def _set_limit(directory: str, name: str, value: int, field: str) -> bool:
    """False when this kernel has no such file; InvalidArgument in words of one's own."""
    try:
        return files.write_if_there(f"{directory}/{name}", str(value))
    except OSError as error:
        if error.errno == errno.EBUSY:
            message = f"memory limit {value} is below the memory in use, which cannot be reclaimed"
        elif error.errno == errno.EINVAL:
            message = f"memory limit {value} does not fit the memory and swap limit set already"
        else:
            raise
        raise InvalidArgument(f"linux.resources.memory.{field}: {message}") from error


def apply_v2(directory: str, wanted: Resources) -> list[str]:
    """Set the limits; return warnings. v2 has no swappiness and no way to stop the OOM killer."""
    _check_use(f"{directory}/memory.current", wanted)
    warnings = []
    # First swap, so that a lowered memory.max does not push into swap that is about to be taken.
    for name, value, field, missing in (
        ("memory.swap.max", swap_v2(_with_limit(directory, wanted)), "swap", NO_SWAP),
        ("memory.max", wanted.memory, "limit", NO_LIMIT),
        ("memory.low", wanted.memory_reservation, "reservation", NO_SOFT),
    ):
        if value is not None and not _set_v2(directory, name, value, field):
            warnings.append(missing)
    if _swappiness(wanted) is not None:
        warnings.append(NO_SWAPPINESS)
    if wanted.oom_kill_disable:
        warnings.append(NO_OOM)
    return warnings


def _with_limit(directory: str, wanted: Resources) -> Resources:
    """A total given alone, to change it, counts from the memory limit there is already."""
    if wanted.memory is None and (wanted.memory_swap or 0) > 0:
        return wanted._replace(memory=files.number(f"{directory}/memory.max"))
    return wanted


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


def _set_v2(directory: str, name: str, value: int, field: str) -> bool:
    return files.limit(directory, name, "max" if value < 0 else str(value), f"memory.{field}")


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
