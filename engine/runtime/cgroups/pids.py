"""The number of processes (pids.rst, cgroup-v2.rst): the same two files in both versions."""

from engine.runtime.cgroups import files
from engine.runtime.cgroups.resources import Resources
from engine.runtime.cgroups.stats import PidsStats

V1, V2 = "pids", "pids"

NO_PIDS = (
    "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. "
    "PIDs limit discarded."
)


def discarded(wanted: Resources) -> list[str]:
    return [NO_PIDS] if (wanted.pids_limit or 0) > 0 else []


def apply_v1(directory: str, wanted: Resources) -> list[str]:
    """Write the limit; 0 and -1 lift it, as in the Docker Engine API."""
    if wanted.pids_limit is None:
        return []
    text = str(wanted.pids_limit) if wanted.pids_limit > 0 else "max"
    return [] if files.limit(directory, "pids.max", text, "pids.limit") else discarded(wanted)


apply_v2 = apply_v1


def read(directory: str) -> PidsStats:
    current = files.number(f"{directory}/pids.current") or 0
    return PidsStats(current, files.number(f"{directory}/pids.max"))
