"""Which CPUs and memory nodes may be used (cpusets.rst, cgroup-v2.rst)."""

from engine.runtime.cgroups import files
from engine.runtime.cgroups.resources import Resources

V1, V2 = "cpuset", "cpuset"

NO_CPUSET = "Your kernel does not support cpuset or the cgroup is not mounted. CPUset discarded."
_FILES = ("cpuset.cpus", "cpuset.mems")


def discarded(wanted: Resources) -> list[str]:
    return [NO_CPUSET] if wanted.cpuset_cpus or wanted.cpuset_mems else []


def inherit(parent: str, directory: str) -> None:
    """Copy the parent's sets into a new v1 cgroup: while they are empty nothing can join it."""
    for name in _FILES:
        if not files.read_if_there(f"{directory}/{name}").strip():
            inherited = files.read_if_there(f"{parent}/{name}").strip()
            if inherited:
                files.write_if_there(f"{directory}/{name}", inherited)


def apply_v1(directory: str, wanted: Resources) -> list[str]:
    """Write both sets; InvalidArgument names one that is not in the parent's."""
    missing = False
    for name, value in zip(_FILES, (wanted.cpuset_cpus, wanted.cpuset_mems), strict=True):
        if value:
            field = name.replace("cpuset.", "cpu.")
            missing |= not files.limit(directory, name, value, field)
    return [NO_CPUSET] if missing else []


apply_v2 = apply_v1
