"""Huge pages a cgroup may use, by page size (hugetlb.rst, cgroup-v2.rst)."""

from engine.errors import InvalidArgument
from engine.runtime.cgroups import files
from engine.runtime.cgroups.resources import Resources

V1, V2 = "hugetlb", "hugetlb"

NO_HUGETLB = (
    "Your kernel does not support huge page limits or the cgroup is not mounted. "
    "Huge page limits discarded."
)


def discarded(wanted: Resources) -> list[str]:
    return [NO_HUGETLB] if wanted.hugepages else []


def apply_v1(directory: str, wanted: Resources) -> list[str]:
    return _apply(directory, wanted, ("limit_in_bytes", "rsvd.limit_in_bytes"))


def apply_v2(directory: str, wanted: Resources) -> list[str]:
    return _apply(directory, wanted, ("max", "rsvd.max"))


def _apply(directory: str, wanted: Resources, names: tuple[str, str]) -> list[str]:
    """Pages in use, and where the kernel can (5.7) pages reserved: what goes beyond the latter
    is refused by mmap(2), beyond the former killed by SIGBUS.

    Raises InvalidArgument for a page size that this machine has not.
    """
    limit, reserved = names
    for place, (size, value) in enumerate(wanted.hugepages):
        field = f"hugepageLimits[{place}]"
        if not files.limit(directory, f"hugetlb.{size}.{limit}", str(value), f"{field}.limit"):
            message = f"this machine has no huge pages of {size}"
            raise InvalidArgument(f"linux.resources.{field}.pageSize: {message}")
        files.limit(directory, f"hugetlb.{size}.{reserved}", str(value), f"{field}.limit")
    return []
