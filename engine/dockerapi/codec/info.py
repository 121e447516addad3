"""What `docker info` and `docker version` print."""

import platform
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.containers.model import Container, Status
from engine.dockerapi import versions
from engine.dockerapi.codec.host import Host, read_host
from engine.dockerapi.codec.times import rfc3339
from engine.dockerapi.rooms import Facts

_INDEX = "https://index.docker.io/v1/"
_HUB = {"Name": "docker.io", "Mirrors": [], "Secure": True, "Official": True}


def write_info(facts: Facts, containers: Sequence[Container], images: int) -> dict[str, Any]:
    host = read_host()
    return {
        "ID": facts.id,
        **_count(containers),
        "Images": images,
        "Driver": facts.snapshotter,
        "DriverStatus": [],
        "SystemStatus": None,
        **_features(facts),
        **_machine(host),
        "NFd": 0,
        "NGoroutines": 0,
        "NEventsListener": 0,
        "SystemTime": rfc3339(time.time_ns()),
        "DockerRootDir": str(facts.data_dir),
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Labels": [],
        "ExperimentalBuild": False,
        "ServerVersion": versions.ENGINE,
        **_runtimes(),
        "Swarm": _no_swarm(),
        "LiveRestoreEnabled": True,
        "Isolation": "",
        "Debug": False,
        "Warnings": list(facts.warnings()) or None,
    }


def write_version() -> dict[str, Any]:
    host = read_host()
    facts = {
        "ApiVersion": str(versions.MAXIMUM),
        "MinAPIVersion": str(versions.MINIMUM),
        "GitCommit": "",
        "GoVersion": f"none (Python {platform.python_version()})",
        "Os": "linux",
        "Arch": host.arch,
        "KernelVersion": host.kernel,
        "BuildTime": "",
    }
    details = {**facts, "Experimental": "false"}
    return {
        "Platform": {"Name": "berth"},
        "Components": [{"Name": "Engine", "Version": versions.ENGINE, "Details": details}],
        "Version": versions.ENGINE,
        **facts,
    }


def _count(containers: Sequence[Container]) -> dict[str, int]:
    by_status = Counter(container.state.status for container in containers)
    running = by_status[Status.RUNNING] + by_status[Status.RESTARTING]
    paused = by_status[Status.PAUSED]
    return {
        "Containers": len(containers),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": len(containers) - running - paused,
    }


def _features(facts: Facts) -> dict[str, Any]:
    can = facts.controllers
    return {
        "Plugins": {
            "Volume": [],
            "Network": ["host", "null"],
            "Authorization": None,
            "Log": ["json-file"],
        },
        "MemoryLimit": "memory" in can,
        "SwapLimit": facts.swap_limit,
        "CpuCfsPeriod": "cpu" in can,
        "CpuCfsQuota": "cpu" in can,
        "CPUShares": "cpu" in can,
        "CPUSet": "cpuset" in can,
        "PidsLimit": "pids" in can,
        "OomKillDisable": facts.cgroup_mode != "v2",
        "IPv4Forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1",
        "BridgeNfIptables": False,
        "BridgeNfIp6tables": False,
        "LoggingDriver": "json-file",
        "CgroupDriver": facts.cgroup_driver if can or not facts.rootless else "none",
        "CgroupVersion": "2" if facts.cgroup_mode == "v2" else "1",
        "SecurityOptions": _security(facts),
    }


def _security(facts: Facts) -> list[str]:
    options = ["name=seccomp,profile=builtin", "name=cgroupns"]
    return [*options[:1], "name=rootless", *options[1:]] if facts.rootless else options


def _machine(host: Host) -> dict[str, Any]:
    return {
        "KernelVersion": host.kernel,
        "OperatingSystem": host.operating_system,
        "OSVersion": host.os_version,
        "OSType": "linux",
        "Architecture": host.machine,
        "NCPU": host.cpus,
        "MemTotal": host.memory,
        "GenericResources": None,
        "Name": host.name,
        "IndexServerAddress": _INDEX,
        "RegistryConfig": {
            "AllowNondistributableArtifactsCIDRs": None,
            "AllowNondistributableArtifactsHostnames": None,
            "InsecureRegistryCIDRs": [],
            "IndexConfigs": {"docker.io": _HUB},
            "Mirrors": [],
        },
    }


def _runtimes() -> dict[str, Any]:
    return {
        "Runtimes": {"berth": {"path": "berth"}},
        "DefaultRuntime": "berth",
        "InitBinary": "",
        "ContainerdCommit": {"ID": "", "Expected": ""},
        "RuncCommit": {"ID": "", "Expected": ""},
        "InitCommit": {"ID": "", "Expected": ""},
    }


def _no_swarm() -> dict[str, Any]:
    return {
        "NodeID": "",
        "NodeAddr": "",
        "LocalNodeState": "inactive",
        "ControlAvailable": False,
        "Error": "",
        "RemoteManagers": None,
    }
