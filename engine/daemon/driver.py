"""Whether the cgroup driver that was asked for can work here; told before anything is begun."""

import os

from engine.daemon.options import Options
from engine.errors import InvalidArgument, Unavailable, Unsupported
from engine.runtime import userns
from engine.runtime.cgroups import placement

_BOOTED = "/run/systemd/system"  # sd_booted(3)


def check(options: Options) -> None:
    """Raises Unavailable, Unsupported or InvalidArgument, saying what to do instead."""
    if options.cgroup_driver != placement.SYSTEMD:
        return
    if userns.rootless():
        raise Unsupported("the systemd cgroup driver needs root: use --cgroup-driver cgroupfs")
    if not os.path.isdir(_BOOTED):
        raise Unavailable(
            "the systemd cgroup driver needs systemd as process 1, which does not run here: "
            "use --cgroup-driver cgroupfs"
        )
    try:
        placement.slice_path(options.cgroup_parent)
    except InvalidArgument as error:
        raise InvalidArgument(f"--cgroup-parent: {error}, as systemd has them") from error
    from engine.runtime.cgroups import systemd

    systemd.connect().close()
