"""OCI's `linux.resources.unified`: files of cgroup v2 and what to write to them, as they are."""

from engine.errors import InvalidArgument
from engine.runtime.cgroups import files
from engine.runtime.cgroups.resources import Resources

_FIELD = "linux.resources.unified"


def controllers(wanted: Resources) -> set[str]:
    """What has to be there for the files to be."""
    return {name.partition(".")[0] for name, _ in wanted.unified}


def apply(directory: str | None, wanted: Resources) -> None:
    """Write them in order, a line at a time, as the kernel takes them.

    These are asked for by their kernel names, so that nothing can be put in their place: what
    cannot be written is an InvalidArgument, never a warning.
    """
    for name, text in wanted.unified:
        if directory is None:
            raise InvalidArgument(
                f"{_FIELD}: {name!r} needs cgroup v2, which is not to be had here"
            )
        if "/" in name or name.startswith("cgroup."):
            raise InvalidArgument(f"{_FIELD}: not a file that sets a limit: {name!r}")
        for line in text.splitlines():
            if not files.limit(directory, name, line, f"unified.{name}"):
                raise InvalidArgument(f"{_FIELD}: this machine's cgroup v2 has no file {name!r}")
