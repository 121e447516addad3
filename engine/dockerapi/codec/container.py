"""A container as `inspect` shows it."""

from collections.abc import Sequence
from typing import Any

from engine.containers.model import Container, Health, MountPoint, Size, State, Status
from engine.dockerapi.codec.config import write_config
from engine.dockerapi.codec.host_config import write_host_config
from engine.dockerapi.codec.networks import endpoints
from engine.dockerapi.codec.times import rfc3339
from engine.runtime.mount import Mount


def write_container(
    container: Container, root: Sequence[Mount] = (), size: Size | None = None
) -> dict[str, Any]:
    """Everything about one container; `root` is what its root file system is mounted of."""
    document: dict[str, Any] = {
        "Id": container.id,
        "Created": rfc3339(container.created_at),
        "Path": container.path,
        "Args": list(container.args),
        "State": write_state(container.state),
        "Image": container.image_id,
        "ResolvConfPath": container.resolv_conf_path,
        "HostnamePath": container.hostname_path,
        "HostsPath": container.hosts_path,
        "LogPath": container.log_path,
        "Name": f"/{container.name}",
        "RestartCount": container.restart_count,
        "Driver": container.driver,
        "Platform": container.platform,
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": list(container.exec_ids) or None,
        "HostConfig": write_host_config(container.host_config),
        "GraphDriver": {"Data": _graph_data(root), "Name": container.driver},
        "Mounts": write_mounts(container.mounts),
        "Config": write_config(container.config),
        "NetworkSettings": _network_settings(container),
    }
    if size is not None:
        document |= {"SizeRw": size.rw, "SizeRootFs": size.rootfs}
    return document


def write_state(state: State) -> dict[str, Any]:
    document: dict[str, Any] = {
        "Status": str(state.status),
        # A paused or restarting container counts as running: so the reference has it.
        "Running": state.status in {Status.RUNNING, Status.PAUSED, Status.RESTARTING},
        "Paused": state.status is Status.PAUSED,
        "Restarting": state.status is Status.RESTARTING,
        "OOMKilled": state.oom_killed,
        "Dead": state.status is Status.DEAD,
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": rfc3339(state.started_at),
        "FinishedAt": rfc3339(state.finished_at),
    }
    if state.health is not None:
        document["Health"] = _write_health(state.health)
    return document


def write_mounts(mounts: Sequence[MountPoint]) -> list[dict[str, Any]]:
    return [
        {
            "Type": mount.type,
            **({"Source": mount.source} if mount.type != "tmpfs" else {"Source": ""}),
            "Destination": mount.target,
            "Mode": "ro" if mount.read_only else "",
            "RW": not mount.read_only,
            "Propagation": mount.propagation or ("rprivate" if mount.type == "bind" else ""),
        }
        for mount in mounts
    ]


def _write_health(health: Health) -> dict[str, Any]:
    return {
        "Status": health.status,
        "FailingStreak": health.failing_streak,
        "Log": [
            {
                "Start": rfc3339(entry.started_at),
                "End": rfc3339(entry.finished_at),
                "ExitCode": entry.exit_code,
                "Output": entry.output,
            }
            for entry in health.log
        ],
    }


def _graph_data(root: Sequence[Mount]) -> dict[str, str] | None:
    """The overlay's directories in the reference's words; null for another kind of snapshot."""
    names = {"lowerdir": "LowerDir", "upperdir": "UpperDir", "workdir": "WorkDir"}
    for mount in root:
        if mount.type == "overlay":
            pairs = (option.partition("=") for option in mount.options)
            return {names[key]: value for key, _, value in pairs if key in names}
    return None


def _network_settings(container: Container) -> dict[str, Any]:
    return {
        "Bridge": "",
        "SandboxID": "",
        "SandboxKey": "",
        "Ports": {},
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "EndpointID": "",
        "Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "IPAddress": "",
        "IPPrefixLen": 0,
        "IPv6Gateway": "",
        "MacAddress": "",
        "Networks": endpoints(container.host_config.network_mode),
    }
