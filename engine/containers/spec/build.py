"""The whole config.json of one container."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.containers.model import Container
from engine.containers.paths import Paths
from engine.containers.spec import devices, files, mounts, reaper, security
from engine.containers.spec.capabilities import granted
from engine.containers.spec.namespaces import is_host_network, namespaces
from engine.containers.spec.process import hostname, process
from engine.containers.spec.resources import resources
from engine.containers.spec.rootfs import Rootfs
from engine.containers.spec.users import resolve
from engine.runtime import userns
from engine.runtime.cgroups import placement
from engine.runtime.mount import Mount

OCI_VERSION = "1.2.0"


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds specs below one cgroup parent; reads and writes files, so it runs in a thread."""

    paths: Paths
    cgroup_parent: str
    cgroup_driver: str = placement.CGROUPFS

    def build(self, container: Container, rootfs_mounts: Sequence[Mount]) -> dict[str, Any]:
        """OCI's config.json in OCI's keys.

        Raises:
            InvalidArgument: a user, device or mount source that does not exist.
        """
        host = container.host_config
        rootfs = Rootfs.of(rootfs_mounts)
        user = resolve(rootfs, container.config.user, host.group_add)
        name = hostname(container)
        files.write(container, self.paths, name)
        return {
            "ociVersion": OCI_VERSION,
            "root": {
                "path": str(self.paths.rootfs(container.id)),
                "readonly": host.readonly_rootfs,
            },
            "process": process(container, user, name),
            "mounts": self._mounts(container, rootfs),
            "linux": self._linux(container),
            "annotations": {"org.berth.image": container.config.image},
        } | _names(container, name)

    def _mounts(self, container: Container, rootfs: Rootfs) -> list[dict[str, Any]]:
        """A mount of the user's takes the place of ours at the same path."""
        host = container.host_config
        own = mounts.user_mounts(container, self.paths, rootfs)
        taken = {mount["destination"] for mount in own}
        ours = mounts.default_mounts(host) + mounts.file_mounts(
            container.id, self.paths, readonly=host.readonly_rootfs
        )
        ours += [reaper.mount()] if host.init else []
        return [mount for mount in ours if mount["destination"] not in taken] + own

    def _linux(self, container: Container) -> dict[str, Any]:
        host = container.host_config
        limits = resources(host.resources) | {"devices": devices.rules(host)}
        made: dict[str, Any] = {
            "namespaces": namespaces(container),
            "resources": limits,
            "cgroupsPath": placement.cgroups_path(
                self.cgroup_driver, self.cgroup_parent, container.id
            ),
            "devices": devices.nodes(host),
            "maskedPaths": security.masked_paths(host),
            "readonlyPaths": security.readonly_paths(host),
            "sysctl": _sysctls(container),
            "rootfsPropagation": "private",
        }
        policy = security.seccomp_policy(host, granted(host))
        return made if policy is None else made | {"seccomp": policy}


def _names(container: Container, hostname: str) -> dict[str, str]:
    """A shared UTS namespace must not be renamed."""
    if container.host_config.uts_mode == "host":
        return {}
    domain = container.config.domainname
    return {"hostname": hostname} | ({"domainname": domain} if domain else {})


def _sysctls(container: Container) -> dict[str, str]:
    """Docker's two for a network namespace of one's own: low ports and ping need no root."""
    if is_host_network(container):
        return dict(container.host_config.sysctls)
    return {
        "net.ipv4.ip_unprivileged_port_start": "0",
        "net.ipv4.ping_group_range": f"0 {min(userns.gids().last, 2147483647)}",
    } | container.host_config.sysctls
