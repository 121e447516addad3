"""Block I/O: weight, ceilings and what was moved (blkio-controller.rst, cgroup-v2.rst, bfq.rst)."""

import errno
import os
from collections.abc import Sequence

from engine.errors import InvalidArgument
from engine.runtime.cgroups import files
from engine.runtime.cgroups.resources import Rate, Resources, Weight
from engine.runtime.cgroups.stats import BlockStats

V1, V2 = "blkio", "io"

NO_WEIGHT = (
    "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded."
)
NO_WEIGHT_DEVICE = (
    "Your kernel does not support Block I/O weight_device or the device has no scheduler for it. "
    "Weight-device discarded."
)
_CEILINGS = (
    # field of Resources, file of v1, key of v2's io.max, OCI's field, name in the warning
    (
        *("throttle_read_bps", "blkio.throttle.read_bps_device", "rbps"),
        *("throttleReadBpsDevice", "BPS Block I/O read"),
    ),
    (
        *("throttle_write_bps", "blkio.throttle.write_bps_device", "wbps"),
        *("throttleWriteBpsDevice", "BPS Block I/O write"),
    ),
    (
        *("throttle_read_iops", "blkio.throttle.read_iops_device", "riops"),
        *("throttleReadIOPSDevice", "IOPS Block I/O read"),
    ),
    (
        *("throttle_write_iops", "blkio.throttle.write_iops_device", "wiops"),
        *("throttleWriteIOPSDevice", "IOPS Block I/O write"),
    ),
)
_SYSTEM = "/sys/block"


def discarded(wanted: Resources) -> list[str]:
    warnings = [NO_WEIGHT] if wanted.blkio_weight else []
    if wanted.weight_devices:
        warnings.append(NO_WEIGHT_DEVICE)
    asked = wanted._asdict()
    return warnings + [_no_ceiling(words) for field, *_, words in _CEILINGS if asked[field]]


def _no_ceiling(name: str) -> str:
    return (
        f"Your kernel does not support {name} limit or the cgroup is not mounted. "
        f"Block I/O {name.replace(' Block I/O', '')} limit discarded."
    )


def apply_v1(directory: str, wanted: Resources) -> list[str]:
    warnings = _weight_v1(directory, wanted.blkio_weight)
    warnings += _weights(directory, ("blkio.weight_device", "blkio.bfq.weight_device"), wanted)
    asked = wanted._asdict()
    for field, name, _, key, words in _CEILINGS:
        rates: tuple[Rate, ...] = asked[field]
        if not all(_ceiling(directory, name, r, str(r.rate), key) for r in rates):
            warnings.append(_no_ceiling(words))
    return warnings


def _weight_v1(directory: str, weight: int | None) -> list[str]:
    if not weight:
        return []
    names = ("blkio.weight", "blkio.bfq.weight")
    text, field = str(weight), "blockIO.weight"
    written = any(files.limit(directory, name, text, field) for name in names)
    return [] if written else [NO_WEIGHT]


def _ceiling(directory: str, name: str, rate: Rate, value: str, key: str) -> bool:
    """Write one; False when the kernel has no such file."""
    text, field = f"{rate.major}:{rate.minor} {value}", f"blockIO.{key}"
    return _of_device(directory, name, text, field, rate)


def _of_device(directory: str, name: str, text: str, field: str, what: Rate | Weight) -> bool:
    try:
        return files.limit(directory, name, text, field)
    except InvalidArgument as error:
        if getattr(error.__cause__, "errno", 0) != errno.ENODEV:
            raise
        number = f"{what.major}:{what.minor}"
        message = f"no block device {number} to limit; a partition cannot be"
        raise InvalidArgument(f"linux.resources.{field}: {message}") from error


def _weights(directory: str, names: Sequence[str], wanted: Resources) -> list[str]:
    """One device's share, where its I/O scheduler has such a thing."""
    for device in wanted.weight_devices:
        if not any(_weight_of(directory, name, device) for name in names):
            return [NO_WEIGHT_DEVICE]
    return []


def _weight_of(directory: str, name: str, device: Weight) -> bool:
    weight = io_weight(device.weight) if name == "io.weight" else device.weight
    text, field = f"{device.major}:{device.minor} {weight}", "blockIO.weightDevice"
    try:
        return _of_device(directory, name, text, field, device)
    except InvalidArgument as error:
        if getattr(error.__cause__, "errno", 0) == errno.EOPNOTSUPP:
            return False  # the device is in the care of another scheduler
        raise


def apply_v2(directory: str, wanted: Resources) -> list[str]:
    warnings = _weight_v2(directory, wanted.blkio_weight)
    warnings += _weights(directory, ("io.bfq.weight", "io.weight"), wanted)
    asked = wanted._asdict()
    for field, _, name, key, words in _CEILINGS:
        rates: tuple[Rate, ...] = asked[field]
        if not all(_ceiling(directory, "io.max", r, io_max(name, r), key) for r in rates):
            warnings.append(_no_ceiling(words))
    return warnings


def io_max(key: str, rate: Rate) -> str:
    """One setting of io.max; the other three keep their values."""
    return f"{key}={rate.rate or 'max'}"


def io_weight(weight: int) -> int:
    """Docker's 10..1000 on io.weight's scale of 1..10000, as runc converts."""
    return 1 + (weight - 10) * 9999 // 990


def _weight_v2(directory: str, weight: int | None) -> list[str]:
    """io.bfq.weight has Docker's own scale; io.weight is there with the iocost policy."""
    if not weight:
        return []
    field = "blockIO.weight"
    written = files.limit(directory, "io.bfq.weight", str(weight), field)
    if not written:
        written = files.limit(directory, "io.weight", f"default {io_weight(weight)}", field)
    return [] if written else [NO_WEIGHT]


def account(directory: str) -> None:
    """Make the kernel count block I/O per v1 cgroup.

    Newer kernels count only on devices whose throttling was ever touched; lifting a ceiling that
    is not there touches it and limits nothing.
    """
    path = f"{directory}/blkio.throttle.read_bps_device"
    for number in _disks():
        try:
            if not files.write_if_there(path, f"{number} 0"):
                return
        except OSError as error:
            if error.errno not in {errno.ENODEV, errno.EINVAL, errno.EOPNOTSUPP}:
                raise


def _disks() -> list[str]:
    """Major:minor of every disk that holds something, loop devices included."""
    names = os.listdir(_SYSTEM) if os.path.isdir(_SYSTEM) else []
    sized = [n for n in names if files.number(f"{_SYSTEM}/{n}/size")]
    return [files.read(f"{_SYSTEM}/{name}/dev").strip() for name in sized]


def read_v1(directory: str) -> tuple[BlockStats, ...]:
    """The recursive counters of the throttling layer, or where that has none, BFQ's, then CFQ's."""
    for prefix in ("blkio.throttle", "blkio.bfq", "blkio"):
        volume = files.read_if_there(f"{directory}/{prefix}.io_service_bytes_recursive")
        counts = files.read_if_there(f"{directory}/{prefix}.io_serviced_recursive")
        devices = parse_v1(volume, counts)
        if devices:
            return devices
    return ()


def parse_v1(volume: str, counts: str) -> tuple[BlockStats, ...]:
    """Join `8:0 Read 4096` of the two files by device; totals and the other kinds are left out."""
    found: dict[str, dict[str, int]] = {}
    for text, unit in ((volume, "bytes"), (counts, "ops")):
        for line in text.splitlines():
            words = line.split()
            if len(words) == 3 and words[1] in {"Read", "Write"}:
                key = f"{words[1].lower()}_{unit}"
                found.setdefault(words[0], {})[key] = int(words[2])
    return tuple(_device(number, values) for number, values in found.items())


def _device(number: str, values: dict[str, int]) -> BlockStats:
    major, minor = number.split(":")
    return BlockStats(int(major), int(minor), **values)


def read_v2(directory: str) -> tuple[BlockStats, ...]:
    return parse_v2(files.read_if_there(f"{directory}/io.stat"))


_V2_KEYS = {
    "rbytes": "read_bytes",
    "wbytes": "write_bytes",
    "rios": "read_ops",
    "wios": "write_ops",
}


def parse_v2(text: str) -> tuple[BlockStats, ...]:
    """Parse io.stat: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0` a device."""
    devices = []
    for line in text.splitlines():
        number, *pairs = line.split()
        split = (pair.partition("=") for pair in pairs)
        values = {_V2_KEYS[key]: int(value) for key, _, value in split if key in _V2_KEYS}
        if values:
            devices.append(_device(number, values))
    return tuple(devices)
