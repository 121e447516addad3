"""Handles and objects of RDMA devices (rdma.rst, cgroup-v2.rst): one file in both versions."""

from engine.runtime.cgroups import files
from engine.runtime.cgroups.resources import Rdma, Resources

V1, V2 = "rdma", "rdma"

NO_RDMA = (
    "Your kernel does not support RDMA limits or the cgroup is not mounted. RDMA limits discarded."
)


def discarded(wanted: Resources) -> list[str]:
    return [NO_RDMA] if wanted.rdma else []


def apply_v1(directory: str, wanted: Resources) -> list[str]:
    """Raises InvalidArgument for a device that this machine has not."""
    for each in wanted.rdma:
        if not files.limit(directory, "rdma.max", line(each), f"rdma.{each.device}"):
            return [NO_RDMA]
    return []


def line(wanted: Rdma) -> str:
    """`device key=value …`; what is not given keeps its value."""
    words = [wanted.device]
    for key, value in (("hca_handle", wanted.handles), ("hca_object", wanted.objects)):
        if value is not None:
            words.append(f"{key}={value}")
    return " ".join(words)


apply_v2 = apply_v1
