"""Which namespaces a container shares, and with whom."""

from engine.containers.model import Config, HostConfig
from engine.containers.spec import reaper
from engine.errors import InvalidArgument, Unsupported
from engine.runtime.cgroups import placement

_MODES = {
    "PID": ("", "private", "host"),
    "IPC": ("", "none", "private", "shareable", "host"),
    "UTS": ("", "host"),
    "cgroup namespace": ("", "private", "host"),
}


def check(config: Config, host: HostConfig, cgroup_driver: str) -> tuple[str, ...]:
    _check("PID", host.pid_mode)
    _check("IPC", host.ipc_mode)
    _check("UTS", host.uts_mode)
    _check("cgroup namespace", host.cgroupns_mode)
    if host.userns_mode not in ("", "host"):
        raise Unsupported(f"user namespace mode '{host.userns_mode}' is not available")
    if host.uts_mode == "host" and config.hostname:
        raise InvalidArgument("conflicting options: hostname and the UTS mode")
    if ".." in host.cgroup_parent.split("/"):
        raise InvalidArgument(f"invalid cgroup parent: {host.cgroup_parent}")
    if host.cgroup_parent and cgroup_driver == placement.SYSTEMD:
        _check_slice(host.cgroup_parent)
    if host.init:
        reaper.program()
    if host.links:
        raise Unsupported("links are not available: they came with the default bridge network")
    if host.volumes_from:
        raise Unsupported("volumes-from is not available yet: repeat the bind mounts instead")
    return ()


def _check_slice(name: str) -> None:
    try:
        placement.slice_path(name)
    except InvalidArgument as error:
        text = 'cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"'
        raise InvalidArgument(text) from error


def _check(kind: str, mode: str) -> None:
    if mode.startswith("container:"):
        raise Unsupported(f"{kind} mode '{mode}' is not available yet: use host or private")
    if mode not in _MODES[kind]:
        raise InvalidArgument(f"invalid {kind} mode: {mode}")
