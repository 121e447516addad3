"""The limits a cgroup can be given: OCI's `linux.resources` as one flat value."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.errors import InvalidArgument


class Rate(NamedTuple):
    """A ceiling on one block device: bytes or operations per second; 0 lifts it."""

    major: int
    minor: int
    rate: int


class Weight(NamedTuple):
    """The share of one block device, on Docker's scale of 10 to 1000."""

    major: int
    minor: int
    weight: int


class Rdma(NamedTuple):
    """A ceiling on one RDMA device; None leaves that figure alone."""

    device: str
    handles: int | None
    objects: int | None


class DeviceRule(NamedTuple):
    """One entry of `linux.resources.devices`; None for a number means any; `type` is a, b or c."""

    allow: bool
    type: str = "a"
    major: int | None = None
    minor: int | None = None
    access: str = "rwm"


# What runc lets every container that denies something have all the same: making any node, and
# using the devices that the OCI spec promises (config-linux.md) and pseudo terminals.
_ALWAYS = (
    DeviceRule(True, "c", access="m"),
    DeviceRule(True, "b", access="m"),
    *(DeviceRule(True, "c", 1, minor) for minor in (3, 5, 7, 8, 9)),
    *(DeviceRule(True, "c", 5, minor) for minor in (0, 2)),
    DeviceRule(True, "c", 136),
)


class Resources(NamedTuple):
    """Limits to set; None (or empty) leaves what is there alone.

    Sizes are bytes and times microseconds. -1 means no limit for memory, memory_swap, cpu_quota
    and pids_limit. `memory_swap` is memory and swap together, as in OCI and Docker; where it is
    None and `memory` is set, it becomes twice the memory, which is Docker's rule. `hugepages` are
    (page size, bytes), `unified` (file of cgroup v2, what to write).
    """

    memory: int | None = None
    memory_swap: int | None = None
    memory_reservation: int | None = None
    memory_swappiness: int | None = None
    oom_kill_disable: bool | None = None
    cpu_quota: int | None = None
    cpu_period: int | None = None
    cpu_shares: int | None = None
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids_limit: int | None = None
    blkio_weight: int | None = None
    throttle_read_bps: tuple[Rate, ...] = ()
    throttle_write_bps: tuple[Rate, ...] = ()
    throttle_read_iops: tuple[Rate, ...] = ()
    throttle_write_iops: tuple[Rate, ...] = ()
    devices: tuple[DeviceRule, ...] = ()
    check_before_update: bool = False
    cpu_burst: int | None = None
    cpu_idle: int | None = None
    realtime_runtime: int | None = None
    realtime_period: int | None = None
    weight_devices: tuple[Weight, ...] = ()
    hugepages: tuple[tuple[str, int], ...] = ()
    rdma: tuple[Rdma, ...] = ()
    unified: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_oci(cls, document: Mapping[str, Any]) -> "Resources":
        """Read OCI `linux.resources` (runtime-spec, config-linux.md); absent and 0 leave alone.

        Raises InvalidArgument for a device rule of no known type or access.
        """
        memory, cpu = document.get("memory") or {}, document.get("cpu") or {}
        block = document.get("blockIO") or {}
        pids = document.get("pids") or {}
        return cls(
            memory=memory.get("limit") or None,
            memory_swap=memory.get("swap") or None,
            memory_reservation=memory.get("reservation") or None,
            memory_swappiness=memory.get("swappiness"),
            oom_kill_disable=memory.get("disableOOMKiller"),
            cpu_quota=cpu.get("quota") or None,
            cpu_period=cpu.get("period") or None,
            cpu_shares=cpu.get("shares") or None,
            cpuset_cpus=cpu.get("cpus") or "",
            cpuset_mems=cpu.get("mems") or "",
            pids_limit=pids.get("limit"),
            blkio_weight=block.get("weight") or None,
            throttle_read_bps=_rates(block.get("throttleReadBpsDevice")),
            throttle_write_bps=_rates(block.get("throttleWriteBpsDevice")),
            throttle_read_iops=_rates(block.get("throttleReadIOPSDevice")),
            throttle_write_iops=_rates(block.get("throttleWriteIOPSDevice")),
            devices=_rules(document.get("devices") or ()),
            check_before_update=bool(memory.get("checkBeforeUpdate")),
            cpu_burst=cpu.get("burst"),
            cpu_idle=cpu.get("idle"),
            realtime_runtime=cpu.get("realtimeRuntime"),
            realtime_period=cpu.get("realtimePeriod") or None,
            weight_devices=_weights(block.get("weightDevice")),
            hugepages=_hugepages(document.get("hugepageLimits")),
            rdma=_rdma(document.get("rdma") or {}),
            unified=tuple((document.get("unified") or {}).items()),
        )


def _rates(entries: Sequence[Mapping[str, Any]] | None) -> tuple[Rate, ...]:
    return tuple(Rate(e["major"], e["minor"], e["rate"]) for e in entries or ())


def _weights(entries: Sequence[Mapping[str, Any]] | None) -> tuple[Weight, ...]:
    found = (Weight(e["major"], e["minor"], e.get("weight") or 0) for e in entries or ())
    return tuple(each for each in found if each.weight)


def _hugepages(entries: Sequence[Mapping[str, Any]] | None) -> tuple[tuple[str, int], ...]:
    return tuple((e["pageSize"], e["limit"]) for e in entries or ())


def _rdma(devices: Mapping[str, Mapping[str, Any]]) -> tuple[Rdma, ...]:
    return tuple(Rdma(n, d.get("hcaHandles"), d.get("hcaObjects")) for n, d in devices.items())


def _rules(entries: Sequence[Mapping[str, Any]]) -> tuple[DeviceRule, ...]:
    rules = tuple(_rule(entry, index) for index, entry in enumerate(entries))
    if all(rule.allow for rule in rules):
        return rules
    return rules + tuple(rule for rule in _ALWAYS if rule not in rules)


def _rule(entry: Mapping[str, Any], index: int) -> DeviceRule:
    """What is misspelt is refused: the kernel would be told of every device, or of every access."""
    kind, access = entry.get("type") or "a", entry.get("access") or "rwm"
    where = f"linux.resources.devices[{index}]"
    if kind not in ("a", "b", "c"):
        raise InvalidArgument(f"{where}.type: must be one of a b c, got {kind!r}")
    if not set(access) <= set("rwm"):
        raise InvalidArgument(f"{where}.access: must be of r, w and m, got {access!r}")
    return DeviceRule(
        allow=bool(entry.get("allow")),
        type=kind,
        major=_any_or_number(entry.get("major")),
        minor=_any_or_number(entry.get("minor")),
        access=access,
    )


def _any_or_number(value: int | None) -> int | None:
    return None if value is None or value < 0 else value
