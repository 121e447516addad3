"""OCI's limits as properties of a systemd unit (systemd.resource-control(5)), with D-Bus types."""

from collections.abc import Callable, Iterator

from engine.runtime.cgroups import blkio, cpu, memory
from engine.runtime.cgroups.resources import Rate, Resources

Variant = tuple[str, object]
Property = tuple[str, Variant]

_INFINITY = 2**64 - 1
_SECOND_US = 1_000_000
_STEP_US = 10_000  # systemd rounds quotas to whole milliseconds a second's hundredth


def of_scope(slice_name: str, pid: int) -> Iterator[Property]:
    """A scope with one process that systemd leaves to us, and forgets however it ends."""
    yield "Description", ("s", "container of berth")
    yield "Slice", ("s", slice_name)
    yield "PIDs", ("au", [pid])
    yield "Delegate", ("b", True)
    yield "DefaultDependencies", ("b", False)
    yield "CollectMode", ("s", "inactive-or-failed")
    for name in ("CPU", "Memory", "IO", "Tasks"):
        yield f"{name}Accounting", ("b", True)


def of(wanted: Resources, *, version: int) -> list[Property]:
    """The limits there is a property for; the others are files only."""
    found = [*_memory(wanted, version), *_cpu(wanted, version), *_io(wanted, version)]
    if wanted.pids_limit is not None:
        limit = wanted.pids_limit if wanted.pids_limit > 0 else _INFINITY
        found.append(("TasksMax", ("t", limit)))
    if version == 2:
        found += [p for name, text in wanted.unified if (p := _unified(name, text)) is not None]
    return found


def _memory(wanted: Resources, version: int) -> Iterator[Property]:
    if wanted.memory is not None:
        name = "MemoryMax" if version == 2 else "MemoryLimit"
        yield name, ("t", _bytes(wanted.memory))
    if version == 1:
        return
    if wanted.memory_reservation is not None:
        yield "MemoryLow", ("t", _bytes(wanted.memory_reservation))
    if wanted.memory is not None:
        swap = memory.swap_v2(wanted)
        if swap is not None:
            yield "MemorySwapMax", ("t", _bytes(swap))


def _bytes(value: int) -> int:
    return _INFINITY if value < 0 else value


def _cpu(wanted: Resources, version: int) -> Iterator[Property]:
    if wanted.cpu_shares is not None:
        if version == 2:
            yield "CPUWeight", ("t", cpu.weight(wanted.cpu_shares))
        else:
            yield "CPUShares", ("t", wanted.cpu_shares)
    if wanted.cpu_period is not None:
        yield "CPUQuotaPeriodUSec", ("t", wanted.cpu_period)
    if wanted.cpu_quota is not None:
        yield "CPUQuotaPerSecUSec", ("t", _quota(wanted))
    if version == 2:
        for name, text in (
            ("AllowedCPUs", wanted.cpuset_cpus),
            ("AllowedMemoryNodes", wanted.cpuset_mems),
        ):
            if text and (bits := mask(text)):
                yield name, ("ay", bits)


def _quota(wanted: Resources) -> int:
    """Microseconds a second, upwards to what systemd can express; the file has the exact value."""
    quota, period = wanted.cpu_quota or 0, wanted.cpu_period or cpu.DEFAULT_PERIOD_US
    if quota < 0:
        return _INFINITY
    return -(-quota * _SECOND_US // period // _STEP_US) * _STEP_US


def mask(text: str) -> bytes:
    """`0-2,5` as a bit mask, lowest byte first, which is how systemd takes CPU sets.

    Empty for the rarer ways the kernel knows to write a set: those are a file only.
    """
    bits = 0
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            return b""
        for number in range(int(first), int(last or first) + 1):
            bits |= 1 << number
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def _io(wanted: Resources, version: int) -> Iterator[Property]:
    if version == 1:
        return
    if wanted.blkio_weight:
        yield "IOWeight", ("t", blkio.io_weight(wanted.blkio_weight))
    for rates, name in (
        (wanted.throttle_read_bps, "IOReadBandwidthMax"),
        (wanted.throttle_write_bps, "IOWriteBandwidthMax"),
        (wanted.throttle_read_iops, "IOReadIOPSMax"),
        (wanted.throttle_write_iops, "IOWriteIOPSMax"),
    ):
        if rates:
            yield name, ("a(st)", [_rate(rate) for rate in rates])


def _rate(rate: Rate) -> tuple[str, int]:
    return f"/dev/block/{rate.major}:{rate.minor}", rate.rate or _INFINITY


def _size(text: str) -> int:
    return _INFINITY if text.strip() == "max" else int(text)


_UNIFIED: dict[str, tuple[str, Callable[[str], int]]] = {
    "memory.high": ("MemoryHigh", _size),
    "memory.low": ("MemoryLow", _size),
    "memory.max": ("MemoryMax", _size),
    "memory.min": ("MemoryMin", _size),
    "memory.swap.max": ("MemorySwapMax", _size),
    "pids.max": ("TasksMax", _size),
    "cpu.weight": ("CPUWeight", int),
}


def _unified(name: str, text: str) -> Property | None:
    known = _UNIFIED.get(name)
    if known is None or not (text.strip() == "max" or text.strip().isdecimal()):
        return None
    prop, read = known
    return prop, ("t", read(text))
