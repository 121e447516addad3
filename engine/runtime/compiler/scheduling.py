"""When and where a process runs: scheduler, I/O priority, CPU affinity, and its personality."""

import struct

from engine.errors import InvalidArgument, Unsupported
from engine.runtime.fields import Fields

_POLICIES = {
    "SCHED_OTHER": 0,
    "SCHED_FIFO": 1,
    "SCHED_RR": 2,
    "SCHED_BATCH": 3,
    "SCHED_ISO": 4,
    "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}
_REAL_TIME = ("SCHED_FIFO", "SCHED_RR")
_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01,
    "SCHED_FLAG_RECLAIM": 0x02,
    "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08,
    "SCHED_FLAG_KEEP_PARAMS": 0x10,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}
_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
_CLASS_SHIFT = 13  # linux/ioprio.h
_PERSONALITIES = {"LINUX": 0x0000, "LINUX32": 0x0008}
_LARGEST_CPU = 8191
_SCHED_ATTR = struct.Struct("=IIQiIQQQ")  # as of its first version, without utilization clamps


def scheduler(process: Fields) -> bytes:
    """struct sched_attr of sched_setattr(2); empty when the config says nothing."""
    wanted = process.object("scheduler")
    if not wanted.value:
        return b""
    number = wanted.choice("policy", _POLICIES)
    policy = wanted.text("policy")
    if policy == "SCHED_ISO":
        raise Unsupported(f"{wanted.path}.policy: Linux has never had SCHED_ISO")
    real_time, deadline = policy in _REAL_TIME, policy == "SCHED_DEADLINE"
    nice = wanted.number("nice", 0, -20, 19)
    priority = wanted.number("priority", 0, 0, 99)
    if real_time != bool(priority):
        rule = "from 1 to 99" if real_time else "left out or 0"
        raise InvalidArgument(f"{wanted.path}.priority: must be {rule} with {policy}")
    times = [wanted.number(key, 0, 0, 2**63 - 1) for key in ("runtime", "deadline", "period")]
    if any(times) and not deadline:
        raise InvalidArgument(f"{wanted.path}.runtime: needs SCHED_DEADLINE, got {policy}")
    return _SCHED_ATTR.pack(_SCHED_ATTR.size, number, _flags(wanted), nice, priority, *times)


def _flags(wanted: Fields) -> int:
    result = 0
    for index, word in enumerate(wanted.texts("flags")):
        if word not in _FLAGS:
            raise InvalidArgument(f"{wanted.path}.flags[{index}]: unknown flag {word!r}")
        result |= _FLAGS[word]
    return result


def io_priority(process: Fields) -> int:
    """The value for ioprio_set(2); -1 when the config says nothing."""
    wanted = process.object("ioPriority")
    if not wanted.value:
        return -1
    return wanted.choice("class", _CLASSES) << _CLASS_SHIFT | wanted.needed("priority", 0, 7)


def personality(linux: Fields) -> int:
    """The value for personality(2); -1 when the config says nothing."""
    wanted = linux.object("personality")
    if not wanted.value:
        return -1
    domain = wanted.choice("domain", _PERSONALITIES)
    if wanted.texts("flags"):
        raise Unsupported(f"{wanted.path}.flags: the specification has none yet")
    return domain


def affinity(process: Fields) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The CPUs of an exec session before and after it enters the cgroup; empty is all."""
    wanted = process.object("execCPUAffinity")
    return _cpus(wanted, "initial"), _cpus(wanted, "final")


def _cpus(wanted: Fields, key: str) -> tuple[int, ...]:
    text = wanted.text(key)
    cpus: set[int] = set()
    for part in text.split(",") if text else ():
        first, dash, last = part.strip().partition("-")
        if not _is_cpu(first) or (dash and not _is_cpu(last)):
            raise InvalidArgument(f"{wanted.at(key)}: must be like 0-3,7, got {text!r}")
        span = range(int(first), int(last if dash else first) + 1)
        if not span:
            raise InvalidArgument(f"{wanted.at(key)}: {part!r} ends before it begins")
        cpus.update(span)
    return tuple(sorted(cpus))


def _is_cpu(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 5 and int(text) <= _LARGEST_CPU
