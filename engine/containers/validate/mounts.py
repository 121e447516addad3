"""Binds, mounts, tmpfs and volumes: paths, modes, and no target twice."""

from engine.containers import mounts
from engine.containers.model import Config, HostConfig
from engine.errors import InvalidArgument


def check(config: Config, host: HostConfig) -> tuple[str, ...]:
    points = mounts.points(host)
    targets = [point.target for point in points]
    for path in config.volumes:
        mounts.check_target(path, path)
    for target in targets:
        if targets.count(target) > 1:
            raise InvalidArgument(f"Duplicate mount point: {target}")
    return ()
