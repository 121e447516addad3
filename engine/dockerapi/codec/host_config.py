"""HostConfig: how this host runs a container. Read from a create request, written by inspect."""

import re
from typing import Any

from engine.containers.model import (
    HostConfig,
    LogConfig,
    MountPoint,
    PortBinding,
    RestartPolicy,
)
from engine.dockerapi.codec.resources import (
    read_devices,
    read_resources,
    read_ulimits,
    write_devices,
    write_resources,
    write_ulimits,
)
from engine.dockerapi.fields import Fields
from engine.errors import InvalidArgument

_PORT = re.compile(r"\d{1,5}/(tcp|udp|sctp)")
_DEFAULT = HostConfig()


def read_host_config(fields: Fields) -> HostConfig:
    return HostConfig(
        resources=read_resources(fields),
        restart_policy=read_restart_policy(fields),
        binds=fields.texts("Binds"),
        mounts=tuple(_read_mount(item) for item in fields.objects("Mounts")),
        tmpfs=fields.mapping("Tmpfs"),
        network_mode=fields.text("NetworkMode") or _DEFAULT.network_mode,
        port_bindings=_read_ports(fields),
        publish_all_ports=fields.flag("PublishAllPorts"),
        auto_remove=fields.flag("AutoRemove"),
        privileged=fields.flag("Privileged"),
        readonly_rootfs=fields.flag("ReadonlyRootfs"),
        cap_add=fields.texts("CapAdd"),
        cap_drop=fields.texts("CapDrop"),
        security_opt=fields.texts("SecurityOpt"),
        group_add=fields.texts("GroupAdd"),
        dns=fields.texts("Dns"),
        dns_search=fields.texts("DnsSearch"),
        dns_options=fields.texts("DnsOptions"),
        extra_hosts=fields.texts("ExtraHosts"),
        pid_mode=fields.text("PidMode"),
        ipc_mode=fields.text("IpcMode"),
        uts_mode=fields.text("UTSMode"),
        userns_mode=fields.text("UsernsMode"),
        cgroupns_mode=fields.text("CgroupnsMode"),
        cgroup_parent=fields.text("CgroupParent"),
        shm_size=fields.integer("ShmSize") or _DEFAULT.shm_size,
        ulimits=read_ulimits(fields),
        sysctls=fields.mapping("Sysctls"),
        devices=read_devices(fields),
        init=fields.optional_flag("Init"),
        oom_score_adj=fields.integer("OomScoreAdj"),
        masked_paths=fields.optional_texts("MaskedPaths"),
        readonly_paths=fields.optional_texts("ReadonlyPaths"),
        log_config=_read_log_config(fields.object("LogConfig")),
        volumes_from=fields.texts("VolumesFrom"),
        links=fields.texts("Links"),
        runtime=fields.text("Runtime"),
        console_size=fields.pair("ConsoleSize"),
    )


def write_host_config(host: HostConfig) -> dict[str, Any]:
    """HostConfig as `inspect` shows it: the limits lie flat beside the rest."""
    return {**write_resources(host.resources), **_write_places(host), **_write_isolation(host)}


def read_restart_policy(fields: Fields) -> RestartPolicy:
    policy = fields.object("RestartPolicy")
    return RestartPolicy(policy.text("Name") or "no", policy.integer("MaximumRetryCount"))


def _write_places(host: HostConfig) -> dict[str, Any]:
    return {
        "Binds": list(host.binds) or None,
        "ContainerIDFile": "",
        "LogConfig": {
            "Type": host.log_config.type or "json-file",
            "Config": dict(host.log_config.options),
        },
        "NetworkMode": host.network_mode,
        "PortBindings": write_ports(host.port_bindings),
        "RestartPolicy": {
            "Name": host.restart_policy.name,
            "MaximumRetryCount": host.restart_policy.maximum_retry_count,
        },
        "AutoRemove": host.auto_remove,
        "VolumeDriver": "",
        "VolumesFrom": list(host.volumes_from) or None,
        "Mounts": [_write_mount(item) for item in host.mounts],
        "Tmpfs": dict(host.tmpfs),
        "Dns": list(host.dns),
        "DnsOptions": list(host.dns_options),
        "DnsSearch": list(host.dns_search),
        "ExtraHosts": list(host.extra_hosts) or None,
        "Links": list(host.links) or None,
        "PublishAllPorts": host.publish_all_ports,
        "ShmSize": host.shm_size,
        "ConsoleSize": list(host.console_size),
    }


def _write_isolation(host: HostConfig) -> dict[str, Any]:
    return {
        "CapAdd": list(host.cap_add) or None,
        "CapDrop": list(host.cap_drop) or None,
        "CgroupnsMode": host.cgroupns_mode or "private",
        "GroupAdd": list(host.group_add) or None,
        "IpcMode": host.ipc_mode or "private",
        "Cgroup": "",
        "OomScoreAdj": host.oom_score_adj,
        "PidMode": host.pid_mode,
        "Privileged": host.privileged,
        "ReadonlyRootfs": host.readonly_rootfs,
        "SecurityOpt": list(host.security_opt) or None,
        "UTSMode": host.uts_mode,
        "UsernsMode": host.userns_mode,
        "Sysctls": dict(host.sysctls),
        "Runtime": host.runtime or "berth",
        "Isolation": "",
        "CgroupParent": host.cgroup_parent,
        "Devices": write_devices(host.devices),
        "Ulimits": write_ulimits(host.ulimits),
        "Init": host.init,
        "MaskedPaths": None if host.masked_paths is None else list(host.masked_paths),
        "ReadonlyPaths": None if host.readonly_paths is None else list(host.readonly_paths),
    }


def write_ports(bindings: tuple[PortBinding, ...]) -> dict[str, list[dict[str, str]]]:
    ports: dict[str, list[dict[str, str]]] = {}
    for item in bindings:
        binding = {"HostIp": item.host_ip, "HostPort": item.host_port}
        ports.setdefault(item.port, []).append(binding)
    return ports


def _read_ports(fields: Fields) -> tuple[PortBinding, ...]:
    bindings = []
    for port, items in fields.lists("PortBindings").items():
        name = port if "/" in port else f"{port}/tcp"
        if not _PORT.fullmatch(name) or not 0 < int(name.split("/")[0]) < 65536:
            raise InvalidArgument(f"{fields.name('PortBindings')}: invalid port {port!r}")
        bindings += [
            PortBinding(name, item.text("HostIp"), _host_port(item)) for item in items
        ] or [PortBinding(name)]
    return tuple(bindings)


def _host_port(item: Fields) -> str:
    value = item.text("HostPort")
    ends = value.split("-")
    if value and not all(end.isascii() and end.isdigit() and int(end) < 65536 for end in ends):
        raise InvalidArgument(f"{item.name('HostPort')}: invalid port {value!r}")
    return value


def _read_mount(item: Fields) -> MountPoint:
    bind, tmpfs = item.object("BindOptions"), item.object("TmpfsOptions")
    return MountPoint(
        type=item.text("Type"),
        target=item.text("Target"),
        source=item.text("Source"),
        read_only=item.flag("ReadOnly"),
        propagation=bind.text("Propagation"),
        tmpfs_size=tmpfs.integer("SizeBytes"),
        tmpfs_mode=tmpfs.integer("Mode"),
    )


def _write_mount(mount: MountPoint) -> dict[str, Any]:
    document: dict[str, Any] = {"Type": mount.type, "Target": mount.target}
    if mount.source:
        document["Source"] = mount.source
    if mount.read_only:
        document["ReadOnly"] = True
    if mount.propagation:
        document["BindOptions"] = {"Propagation": mount.propagation}
    if mount.tmpfs_size or mount.tmpfs_mode:
        options = {"SizeBytes": mount.tmpfs_size, "Mode": mount.tmpfs_mode}
        document["TmpfsOptions"] = {key: value for key, value in options.items() if value}
    return document


def _read_log_config(fields: Fields) -> LogConfig:
    return LogConfig(fields.text("Type"), fields.mapping("Config"))
