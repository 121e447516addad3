"""Is a request possible at all? Docker's checks in Docker's words, before anything is made.

Each file returns the warnings of its subject and raises `InvalidArgument`, or `Unsupported` for
what this engine does not have.
"""

from engine.containers.host import Host
from engine.containers.model import Config, HostConfig
from engine.containers.validate import limits, mounts, namespaces, network, process, security, text
from engine.runtime.cgroups import placement


def check(
    config: Config, host_config: HostConfig, host: Host, cgroup_driver: str = placement.CGROUPFS
) -> tuple[str, ...]:
    """Check a merged configuration; returns the warnings for the user."""
    text.check(config, host_config)
    return (
        *process.check(config, host_config),
        *limits.check(host_config, host),
        *namespaces.check(config, host_config, cgroup_driver),
        *security.check(host_config),
        *mounts.check(config, host_config),
        *network.check(config, host_config),
    )
