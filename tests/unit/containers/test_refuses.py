"""Bad input: Docker's words and classes, before anything is made."""

from typing import Any

import pytest

from engine.containers import names, validate
from engine.containers.filters import PRUNE, Filters
from engine.containers.host import Host
from engine.containers.merge import merge
from engine.containers.model import (
    Config,
    Device,
    DeviceRate,
    Healthcheck,
    HostConfig,
    LogConfig,
    MountPoint,
    PortBinding,
    Resources,
    RestartPolicy,
    Ulimit,
)
from engine.errors import InvalidArgument, Unsupported
from engine.oci.image import ProcessDefaults

HOST = Host(cpus="0-1", memory_nodes="0")
MIB = 1024 * 1024

LIMITS: list[tuple[dict[str, Any], str]] = [
    ({"memory": 5 * MIB}, "Minimum memory limit allowed is 6MB"),
    ({"memory": -1}, "cannot be negative"),
    ({"memory": 64 * MIB, "memory_swap": 32 * MIB}, "Minimum memoryswap limit should be larger"),
    ({"memory_swap": 64 * MIB}, "You should always set the Memory limit when using Memoryswap"),
    ({"memory_swappiness": 101}, "Invalid value: 101, valid memory swappiness range is 0-100"),
    ({"memory_reservation": MIB}, "Minimum memory reservation allowed is 6MB"),
    ({"memory": 8 * MIB, "memory_reservation": 9 * MIB}, "can not be less than memory reservation"),
    ({"nano_cpus": 3 * 10**9}, "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs"),
    ({"nano_cpus": 10**9, "cpu_quota": 5000}, "Nano CPUs and CPU Quota cannot both be set."),
    ({"nano_cpus": 10**9, "cpu_period": 5000}, "Nano CPUs and CPU Period cannot both be set."),
    ({"cpu_shares": -2}, r"invalid CPU shares \(-2\): value must be a positive integer"),
    ({"cpu_period": 10}, "CPU cfs period can not be less than 1ms"),
    ({"cpu_quota": 10}, "CPU cfs quota can not be less than 1ms"),
    ({"cpuset_cpus": "0-7"}, "Requested CPUs are not available - requested 0-7, available: 0-1"),
    ({"cpuset_cpus": "two"}, "Invalid value two for cpuset cpus"),
    ({"cpuset_cpus": "1-0"}, "Invalid value 1-0 for cpuset cpus"),
    ({"cpuset_mems": "5"}, "Requested memory nodes are not available - requested 5, available: 0"),
    ({"blkio_weight": 5}, "Range of blkio weight is from 10 to 1000"),
    ({"device_read_bps": (DeviceRate("sda", 1),)}, "bad format for device path: sda:1"),
]

SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"cap_add": ("SYS_FOO",)}, 'invalid CapAdd: unknown capability: "SYS_FOO"'),
    ({"cap_drop": ("FOO",)}, 'invalid CapDrop: unknown capability: "FOO"'),
    ({"shm_size": -1}, "SHM size can not be less than 0"),
    ({"oom_score_adj": 1001}, r"Invalid value 1001, range for oom score adj is \[-1000, 1000\]"),
    ({"ulimits": (Ulimit("files", 1, 1),)}, "invalid ulimit type: files"),
    ({"ulimits": (Ulimit("nofile", 2, 1),)}, "soft limit must be less than or equal to hard"),
    ({"restart_policy": RestartPolicy("maybe")}, "unknown policy 'maybe'; use one of 'no'"),
    ({"restart_policy": RestartPolicy("always", 3)}, "only be used with 'on-failure'"),
    ({"restart_policy": RestartPolicy("on-failure", -1)}, "cannot be negative"),
    (
        {"restart_policy": RestartPolicy("always"), "auto_remove": True},
        "can't create 'AutoRemove' container with restart policy",
    ),
    ({"runtime": "kata"}, "unknown or invalid runtime name: kata"),
    ({"port_bindings": (PortBinding("99999/tcp"),)}, 'invalid port specification: "99999/tcp"'),
    ({"port_bindings": (PortBinding("80/xyz"),)}, "invalid proto: xyz"),
    ({"port_bindings": (PortBinding("80", host_port="x"),)}, 'invalid port specification: "x"'),
    ({"port_bindings": (PortBinding("80", host_ip="1.2"),)}, "invalid IP address: 1.2"),
    ({"dns": ("nine",)}, "invalid IP address: nine"),
    ({"extra_hosts": ("db",)}, 'bad format for add-host: "db"'),
    ({"extra_hosts": ("db:xx",)}, 'invalid IP address in add-host: "xx"'),
    ({"binds": ("/a",)}, "invalid volume specification: '/a'"),
    ({"binds": ("/a:b",)}, "invalid mount path: 'b' mount path must be absolute"),
    ({"binds": ("/a:/",)}, "destination can't be '/'"),
    ({"binds": ("/a:/b/..",)}, "destination can't be '/'"),
    ({"binds": ("/a:/b:rx",)}, "invalid mode: rx"),
    ({"binds": ("/a:/b:ro,rw",)}, "invalid mode: ro,rw"),
    ({"binds": ("./a:/b",)}, "includes invalid characters for a local volume name"),
    ({"binds": ("/a:/b", "/c:/b/")}, "Duplicate mount point: /b"),
    ({"mounts": (MountPoint("floppy", "/a"),)}, 'for type "floppy": mount type unknown'),
    ({"mounts": (MountPoint("bind", "/a"),)}, "field Source must not be empty"),
    ({"mounts": (MountPoint("bind", "", "/a"),)}, "field Target must not be empty"),
    ({"mounts": (MountPoint("bind", "/a", "b"),)}, "mount path must be absolute"),
    ({"mounts": (MountPoint("tmpfs", "/a", "b"),)}, "field Source must not be specified"),
    ({"tmpfs": {"/a": "size=lots"}}, "invalid tmpfs option size=lots"),
    ({"tmpfs": {"a": ""}}, "invalid mount path: 'a'"),
    ({"pid_mode": "shared"}, "invalid PID mode: shared"),
    ({"ipc_mode": "shared"}, "invalid IPC mode: shared"),
    ({"sysctls": {"kernel.panic": "1"}}, "sysctl 'kernel.panic' is not in a separate"),
    (
        {"sysctls": {"net.core.somaxconn": "1"}, "network_mode": "host"},
        "is not allowed in the host's network namespace",
    ),
    ({"security_opt": ("selinux",)}, 'invalid --security-opt 1: "selinux"'),
    ({"security_opt": ("a=b",)}, 'invalid --security-opt 2: "a=b"'),
    ({"security_opt": ("seccomp={",)}, "Decoding seccomp profile failed"),
    ({"security_opt": ('seccomp={"defaultAction":"X"}',)}, "unknown action 'X'"),
    ({"devices": (Device("dev", "dev"),)}, "invalid device path: dev"),
    ({"devices": (Device("/dev/null", "/dev/x", "rx"),)}, "invalid device mode: rx"),
    ({"log_config": LogConfig("", {"max-size": "big"})}, "invalid size for log opt 'max-size'"),
    ({"log_config": LogConfig("", {"tag": "x"})}, "unknown log opt 'tag'"),
    ({"cgroup_parent": "../up"}, "invalid cgroup parent: ../up"),
    ({"binds": ("/a\0:/b",)}, "invalid binds: .* has a null byte"),
    ({"mounts": (MountPoint("bind", "/a", "/\0"),)}, r"invalid mounts\.source: .* null byte"),
    ({"log_config": LogConfig("", {"max-file": "9" * 5000})}, "invalid count for log opt"),
]

LATER: list[tuple[dict[str, Any], str]] = [
    ({"network_mode": "bridge"}, "the bridge network is not available yet: use --network none"),
    ({"network_mode": "mine"}, "network 'mine' is not available yet"),
    ({"binds": ("data:/data",)}, "named volumes are not available yet: use a host path"),
    ({"mounts": (MountPoint("volume", "/a", "v"),)}, "named volumes are not available yet"),
    ({"pid_mode": "container:x"}, "PID mode 'container:x' is not available yet"),
    ({"userns_mode": "private"}, "user namespace mode"),
    ({"links": ("a:b",)}, "links are not available"),
    ({"volumes_from": ("a",)}, "volumes-from is not available yet"),
    ({"log_config": LogConfig("syslog")}, "no log driver named 'syslog'"),
    ({"security_opt": ("apparmor=strict",)}, "AppArmor profile 'strict' cannot be applied"),
]

CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({"hostname": "no spaces"}, "invalid hostname format: no spaces"),
    ({"env": ("=x",)}, "invalid environment variable: =x"),
    ({"env": ("A=\0",)}, "invalid env: .* has a null byte"),
    ({"working_dir": "/a\0"}, "invalid working_dir: .* has a null byte"),
    ({"labels": {"a": "\ud800"}}, "invalid labels: .* is not valid Unicode"),
    ({"stop_signal": "9" * 5000}, "invalid signal: 9999"),
    ({"exposed_ports": ("8" * 5000,)}, "invalid port specification"),
    ({"working_dir": "tmp"}, "the working directory 'tmp' is invalid, it needs to be an absolute"),
    ({"stop_signal": "SIGNOPE"}, "invalid signal: SIGNOPE"),
    ({"healthcheck": Healthcheck(test=("RUN",))}, "unknown healthcheck test type: RUN"),
    ({"healthcheck": Healthcheck(interval=5)}, "Interval in Healthcheck cannot be less than 1ms"),
    ({"exposed_ports": ("0/tcp",)}, 'invalid port specification: "0/tcp"'),
    ({"volumes": ("data",)}, "invalid mount path: 'data'"),
]


@pytest.mark.parametrize(("limits", "words"), LIMITS)
def test_limits(limits: dict[str, Any], words: str) -> None:
    host = HostConfig(network_mode="none", resources=Resources(**limits))
    with pytest.raises(InvalidArgument, match=words):
        validate.check(Config(), host, HOST)


@pytest.mark.parametrize(("settings", "words"), SETTINGS)
def test_host_settings(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        validate.check(Config(), HostConfig(**{"network_mode": "none", **settings}), HOST)


@pytest.mark.parametrize(("settings", "words"), LATER)
def test_what_is_not_there_yet_is_said(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(Unsupported, match=words):
        validate.check(Config(), HostConfig(**settings), HOST)


@pytest.mark.parametrize(("config", "words"), CONFIGS)
def test_configuration(config: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        validate.check(Config(**config), HostConfig(network_mode="none"), HOST)


def test_no_command() -> None:
    with pytest.raises(InvalidArgument, match="no command specified"):
        merge(Config(entrypoint=("",)), ProcessDefaults(entrypoint=("/init",)))


@pytest.mark.parametrize("name", ["a b", "-x", "x", "é", "a/b", "."])
def test_names(name: str) -> None:
    words = "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    with pytest.raises(InvalidArgument) as caught:
        names.check(name)
    assert str(caught.value) == f"Invalid container name ({name}), {words}"


def test_filters() -> None:
    with pytest.raises(InvalidArgument, match="invalid filter 'colour'"):
        Filters({"colour": ("red",)})
    with pytest.raises(InvalidArgument, match="invalid filter 'ancestor'"):
        Filters({"ancestor": ("x",)}).only(PRUNE)


def test_a_plain_request_passes_and_says_what_the_default_network_is() -> None:
    (warning,) = validate.check(Config(), HostConfig(), HOST)
    assert "--network host" in warning
    assert validate.check(Config(), HostConfig(network_mode="none"), HOST) == ()


def test_published_ports_without_a_network_are_said_to_be_discarded() -> None:
    host = HostConfig(network_mode="host", port_bindings=(PortBinding("80/tcp", "", "8080"),))
    words = "Published ports are discarded when using host network mode"
    assert validate.check(Config(), host, HOST) == (words,)
