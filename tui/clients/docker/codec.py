"""Container documents of the Docker Engine API, to models and back."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tui.clients.docker.values import (
    labels,
    limit,
    number,
    rows,
    section,
    strings,
    text,
    timestamp,
)
from tui.models import (
    Container,
    ContainerDetail,
    ContainerState,
    Limits,
    MountPoint,
    NetworkAddress,
    PortMapping,
    RunRequest,
)

Json = Mapping[str, Any]

_EXITED = re.compile(r"(?:Exited|Restarting) \((-?\d+)\)")
_HEALTH = re.compile(r"\((healthy|unhealthy|health: starting)\)")
NANO = 1_000_000_000


def container_row(data: Json) -> Container:
    """One element of the list call."""
    names = sorted(strings(data, "Names"), key=lambda name: name.count("/"))
    status = text(data, "Status")
    exited, health = _EXITED.search(status), _HEALTH.search(status)
    return Container(
        id=text(data, "Id"),
        name=names[0].lstrip("/") if names else text(data, "Id")[:12],
        image=text(data, "Image"),
        state=ContainerState.of(text(data, "State")),
        image_id=text(data, "ImageID"),
        command=text(data, "Command"),
        created=timestamp(data.get("Created")) or 0.0,
        status_text=status,
        labels=labels(data),
        ports=tuple(_listed_port(item) for item in rows(data, "Ports")),
        exit_code=int(exited[1]) if exited else None,
        health=health[1].removeprefix("health: ") if health else "",
        network_mode=text(section(data, "HostConfig"), "NetworkMode"),
    )


def _listed_port(item: Json) -> PortMapping:
    return PortMapping(
        number(item, "PrivatePort"),
        text(item, "Type") or "tcp",
        text(item, "IP"),
        number(item, "PublicPort") or None,
    )


def container_inspected(data: Json) -> Container:
    """The row's fields from the inspect call; ``status_text`` stays empty, render words it."""
    config, host, state = section(data, "Config"), section(data, "HostConfig"), _state(data)
    kind = ContainerState.of(text(state, "Status"))
    finished = timestamp(state.get("FinishedAt"))
    ended = kind in (ContainerState.EXITED, ContainerState.DEAD, ContainerState.RESTARTING)
    return Container(
        id=text(data, "Id"),
        name=text(data, "Name").lstrip("/"),
        image=text(config, "Image"),
        state=kind,
        image_id=text(data, "Image"),
        command=command_text([text(data, "Path"), *strings(data, "Args")]),
        created=timestamp(data.get("Created")) or 0.0,
        labels=labels(config),
        ports=_inspected_ports(section(data, "NetworkSettings")),
        exit_code=number(state, "ExitCode") if ended or finished else None,
        health=_health(state),
        started_at=timestamp(state.get("StartedAt")),
        finished_at=finished,
        restarts=number(data, "RestartCount"),
        oom_killed=bool(state.get("OOMKilled")),
        error=text(state, "Error"),
        pid=number(state, "Pid"),
        tty=bool(config.get("Tty")),
        limits=_limits(host),
        restart_policy=_policy(section(host, "RestartPolicy")),
        network_mode=text(host, "NetworkMode"),
        detailed=True,
    )


def command_text(words: Sequence[str]) -> str:
    """As the list call words it, to be read only: words with blanks quoted, nothing escaped."""
    return " ".join(f"'{word}'" if " " in word else word for word in words)


def _state(data: Json) -> Json:
    return section(data, "State")


def _health(state: Json) -> str:
    word = text(section(state, "Health"), "Status")
    return "" if word == "none" else word


def _policy(policy: Json) -> str:
    name, tries = text(policy, "Name") or "no", number(policy, "MaximumRetryCount")
    return f"{name}:{tries}" if name == "on-failure" and tries else name


def _limits(host: Json) -> Limits:
    nano, quota = number(host, "NanoCpus"), number(host, "CpuQuota")
    cpus = nano / NANO if nano > 0 else None
    if cpus is None and quota > 0:
        cpus = quota / (number(host, "CpuPeriod") or 100_000)
    return Limits(
        cpus=cpus,
        memory=limit(host, "Memory"),
        memory_swap=limit(host, "MemorySwap"),
        pids=limit(host, "PidsLimit"),
        cpu_shares=limit(host, "CpuShares"),
        cpuset=text(host, "CpusetCpus"),
        block_weight=limit(host, "BlkioWeight"),
    )


def _inspected_ports(settings: Json) -> tuple[PortMapping, ...]:
    found: list[PortMapping] = []
    for name in section(settings, "Ports"):
        port, _, protocol = name.partition("/")
        bindings = rows(section(settings, "Ports"), name) or [{}]
        for item in bindings:
            outer = text(item, "HostPort")
            found.append(
                PortMapping(
                    int(port) if port.isdecimal() else 0,
                    protocol or "tcp",
                    text(item, "HostIp"),
                    int(outer) if outer.isdecimal() else None,
                )
            )
    return tuple(found)


def container_detail(data: Json) -> ContainerDetail:
    """The whole inspect document."""
    config, host = section(data, "Config"), section(data, "HostConfig")
    return ContainerDetail(
        container=container_inspected(data),
        entrypoint=strings(config, "Entrypoint"),
        arguments=strings(config, "Cmd"),
        env=strings(config, "Env"),
        working_dir=text(config, "WorkingDir"),
        user=text(config, "User"),
        hostname=text(config, "Hostname"),
        open_stdin=bool(config.get("OpenStdin")),
        stop_signal=text(config, "StopSignal"),
        stop_timeout=number(config, "StopTimeout") if config.get("StopTimeout") else None,
        auto_remove=bool(host.get("AutoRemove")),
        privileged=bool(host.get("Privileged")),
        read_only_root=bool(host.get("ReadonlyRootfs")),
        cap_add=strings(host, "CapAdd"),
        cap_drop=strings(host, "CapDrop"),
        security_options=strings(host, "SecurityOpt"),
        networks=_networks(section(data, "NetworkSettings")),
        mounts=tuple(_mount(item) for item in rows(data, "Mounts")),
        log_driver=text(section(host, "LogConfig"), "Type"),
        log_path=text(data, "LogPath"),
        cgroup_parent=text(host, "CgroupParent"),
        runtime=text(host, "Runtime"),
        storage_driver=text(data, "Driver"),
        raw_json=pretty(data),
    )


def _networks(settings: Json) -> tuple[NetworkAddress, ...]:
    networks = section(settings, "Networks")
    return tuple(
        NetworkAddress(
            name,
            text(section(networks, name), "IPAddress"),
            text(section(networks, name), "MacAddress"),
        )
        for name in sorted(networks)
    )


def _mount(item: Json) -> MountPoint:
    return MountPoint(
        kind=text(item, "Type"),
        source=text(item, "Name") or text(item, "Source"),
        target=text(item, "Destination"),
        read_only=item.get("RW") is False,
    )


def pretty(data: object) -> str:
    """The document as people read it, keys in the engine's order."""
    return json.dumps(data, indent=2, ensure_ascii=False)


def create_body(request: RunRequest) -> dict[str, Any]:
    """The create call's document; what is not asked for is left out."""
    body: dict[str, Any] = {
        "Image": request.image,
        "Cmd": list(request.command) or None,
        "Entrypoint": list(request.entrypoint) or None,
        "Env": list(request.env),
        "Labels": dict(request.labels),
        "Tty": request.tty,
        "OpenStdin": request.open_stdin,
        "WorkingDir": request.working_dir,
        "User": request.user,
        "HostConfig": _host_body(request),
    }
    return {key: value for key, value in body.items() if value}


def _host_body(request: RunRequest) -> dict[str, Any]:
    name, _, tries = request.restart_policy.partition(":")
    body: dict[str, Any] = {
        "Memory": request.memory,
        "NanoCpus": None if request.cpus is None else round(request.cpus * NANO),
        "PidsLimit": request.pids,
        "NetworkMode": request.network,
        "AutoRemove": request.auto_remove,
        "RestartPolicy": {"Name": name, "MaximumRetryCount": int(tries or 0)},
    }
    return {key: value for key, value in body.items() if value}
