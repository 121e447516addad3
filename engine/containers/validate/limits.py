"""cgroup limits: Docker's ranges and conflicts (moby daemon/daemon_unix.go)."""

from collections.abc import Iterable

from engine.containers.host import Host, parse_list
from engine.containers.model import DeviceRate, HostConfig, Resources
from engine.errors import InvalidArgument

MINIMUM_MEMORY = 6 * 1024 * 1024


def check(host_config: HostConfig, host: Host) -> tuple[str, ...]:
    if host_config.shm_size < 0:
        raise InvalidArgument("SHM size can not be less than 0")
    if not -1000 <= host_config.oom_score_adj <= 1000:
        raise InvalidArgument(
            f"Invalid value {host_config.oom_score_adj}, range for oom score adj is [-1000, 1000]"
        )
    return check_resources(host_config.resources, host)


def check_resources(resources: Resources, host: Host) -> tuple[str, ...]:
    """Limits alone: what `update` changes."""
    _check_memory(resources)
    _check_cpu(resources, host)
    _check_sets(resources, host)
    _check_block_io(resources)
    if resources.oom_kill_disable and not resources.memory:
        return (
            "OOM killer is disabled for the container, but no memory limit is set, this can"
            " result in the system running out of resources.",
        )
    return ()


def _check_memory(limits: Resources) -> None:
    memory, swap, reserved = limits.memory, limits.memory_swap, limits.memory_reservation
    if memory < 0 or reserved < 0:
        raise InvalidArgument(f"invalid memory limit {min(memory, reserved)}: cannot be negative")
    if 0 < memory < MINIMUM_MEMORY:
        raise InvalidArgument("Minimum memory limit allowed is 6MB")
    if swap > 0 and not memory:
        raise InvalidArgument(
            "You should always set the Memory limit when using Memoryswap limit, see usage"
        )
    if swap < -1 or 0 < swap < memory:
        raise InvalidArgument(
            "Minimum memoryswap limit should be larger than memory limit, see usage"
        )
    _check_soft_memory(limits)


def _check_soft_memory(limits: Resources) -> None:
    memory, reserved, swappiness = (
        limits.memory,
        limits.memory_reservation,
        limits.memory_swappiness,
    )
    if swappiness is not None and swappiness != -1 and not 0 <= swappiness <= 100:
        raise InvalidArgument(
            f"Invalid value: {swappiness}, valid memory swappiness range is 0-100"
        )
    if 0 < reserved < MINIMUM_MEMORY:
        raise InvalidArgument("Minimum memory reservation allowed is 6MB")
    if 0 < memory < reserved:
        raise InvalidArgument(
            "Minimum memory limit can not be less than memory reservation limit, see usage"
        )


def _check_cpu(limits: Resources, host: Host) -> None:
    for name, value in (("Period", limits.cpu_period), ("Quota", limits.cpu_quota)):
        if limits.nano_cpus and value:
            raise InvalidArgument(
                f"Conflicting options: Nano CPUs and CPU {name} cannot both be set."
            )
    if limits.nano_cpus < 0 or limits.nano_cpus > host.cpu_count * 1_000_000_000:
        count = host.cpu_count
        raise InvalidArgument(
            f"Range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs available"
        )
    if limits.cpu_shares < 0:
        raise InvalidArgument(
            f"invalid CPU shares ({limits.cpu_shares}): value must be a positive integer"
        )
    if limits.cpu_period and not 1000 <= limits.cpu_period <= 1_000_000:
        raise InvalidArgument(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"
        )
    if 0 < limits.cpu_quota < 1000:
        raise InvalidArgument("CPU cfs quota can not be less than 1ms (i.e. 1000)")


def _check_sets(limits: Resources, host: Host) -> None:
    cpus = _parse(limits.cpuset_cpus, "cpus")
    if not cpus <= parse_list(host.cpus):
        raise InvalidArgument(
            f"Requested CPUs are not available - requested {limits.cpuset_cpus},"
            f" available: {host.cpus}"
        )
    nodes = _parse(limits.cpuset_mems, "mems")
    if not nodes <= parse_list(host.memory_nodes):
        raise InvalidArgument(
            f"Requested memory nodes are not available - requested {limits.cpuset_mems},"
            f" available: {host.memory_nodes}"
        )


def _parse(text: str, kind: str) -> frozenset[int]:
    try:
        return parse_list(text)
    except ValueError:
        raise InvalidArgument(f"Invalid value {text} for cpuset {kind}") from None


def _check_block_io(limits: Resources) -> None:
    if limits.blkio_weight and not 10 <= limits.blkio_weight <= 1000:
        raise InvalidArgument("Range of blkio weight is from 10 to 1000")
    _check_rates(limits.device_read_bps)
    _check_rates(limits.device_write_bps)
    _check_rates(limits.device_read_iops)
    _check_rates(limits.device_write_iops)


def _check_rates(rates: Iterable[DeviceRate]) -> None:
    for rate in rates:
        if not rate.path.startswith("/dev/") or rate.rate < 0:
            raise InvalidArgument(f"bad format for device path: {rate.path}:{rate.rate}")
