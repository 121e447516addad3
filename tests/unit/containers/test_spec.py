"""The pieces of config.json that need no kernel."""

import os
from pathlib import Path
from typing import Any

import pytest

from engine.containers.model import (
    Config,
    Container,
    ExecConfig,
    HostConfig,
    MountPoint,
    Resources,
)
from engine.containers.paths import Paths
from engine.containers.spec import capabilities, devices, files, mounts, process, profile
from engine.containers.spec.namespaces import namespaces
from engine.containers.spec.resources import resources
from engine.containers.spec.rootfs import Rootfs
from engine.containers.spec.users import User, resolve
from engine.errors import InvalidArgument

ROOT = User(home="/root")


class Etc:
    """A root with these two files."""

    def __init__(self, passwd: str = "", group: str = "") -> None:
        self._files = {"/etc/passwd": passwd.encode(), "/etc/group": group.encode()}

    def read(self, path: str) -> bytes | None:
        return self._files[path] or None


ETC = Etc(
    "root:x:0:0:root:/root:/bin/sh\n# note\nbroken\nbob:x:1000:1001::/home/bob:\n",
    "root:x:0:\nbob:x:1001:\nwheel:x:10:amy,bob\nempty:x:20\n",
)


def container(**host: Any) -> Container:
    config = Config(cmd=("sh",), hostname="web", env=("A=b",))
    settings = HostConfig(**{"network_mode": "none", **host})
    return Container("f" * 64, "web", 0, config, settings, "sha256:0", "sh", ())


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("", User(0, 0, (0,), "/root")),
        ("bob", User(1000, 1001, (1001, 10), "/home/bob")),
        ("1000", User(1000, 1001, (1001, 10), "/home/bob")),
        ("bob:wheel", User(1000, 10, (10,), "/home/bob")),
        ("77:88", User(77, 88, (88,), "/")),
        ("77", User(77, 0, (0,), "/")),
    ],
)
def test_users(spec: str, expected: User) -> None:
    assert resolve(ETC, spec) == expected


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("eve", "unable to find user eve: no matching entries in passwd file"),
        ("bob:staff", "unable to find group staff: no matching entries in group file"),
        ("99999999999", "uids and gids must be in range"),
    ],
)
def test_users_nobody_knows(spec: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        resolve(ETC, spec)


def test_accounts_that_the_kernel_would_take_for_others_are_passed_over() -> None:
    wide = Etc("bob:x:4294967296:0::/:\nann:x:" + "9" * 5000 + ":0::/:\nroot:x:0:0::/root:\n")
    assert resolve(wide, "root").home == "/root"
    for name in ("bob", "ann"):
        with pytest.raises(InvalidArgument, match=f"unable to find user {name}"):
            resolve(wide, name)
    with pytest.raises(InvalidArgument, match="must be in range"):
        resolve(wide, "9" * 5000)


def test_a_root_without_passwd_still_has_a_root_user() -> None:
    assert resolve(Etc(), "") == User(0, 0, (0,), "/")


def test_environment_puts_the_containers_over_dockers() -> None:
    env = process.environment(("HOME=/x", "PATH"), "web", "/root", tty=True)
    assert env == ["HOSTNAME=web", "TERM=xterm", "HOME=/x"]


def test_exec_sees_the_containers_environment() -> None:
    made = process.exec_process(container(), ExecConfig(cmd=("id",), env=("B=c",)), ROOT)
    assert {"A=b", "B=c", "HOME=/root"} <= set(made["env"])
    assert made["cwd"] == "/"


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Resources(), {}),
        (Resources(nano_cpus=1_500_000_000), {"cpu": {"quota": 150_000, "period": 100_000}}),
        (Resources(memory=64), {"memory": {"limit": 64, "swap": 128}}),
        (Resources(memory=64, memory_swap=-1), {"memory": {"limit": 64, "swap": -1}}),
        (Resources(pids_limit=0), {"pids": {"limit": -1}}),
        (Resources(pids_limit=50), {"pids": {"limit": 50}}),
        (Resources(memory_swappiness=0), {"memory": {"swappiness": 0}}),
    ],
)
def test_limits(limits: Resources, expected: dict[str, Any]) -> None:
    assert resources(limits) == expected


def test_capabilities_are_added_and_dropped() -> None:
    assert set(capabilities.granted(HostConfig())) == set(capabilities.DEFAULT)
    assert capabilities.granted(HostConfig(cap_drop=("all",), cap_add=("CAP_KILL",))) == (
        "CAP_KILL",
    )
    every = set(capabilities.available())
    assert set(capabilities.granted(HostConfig(cap_add=("ALL",), cap_drop=("CHOWN",)))) == (
        every - {"CAP_CHOWN"}
    )


def test_namespaces_are_its_own_unless_shared() -> None:
    own = {entry["type"] for entry in namespaces(container())}
    assert own == {"mount", "pid", "ipc", "uts", "cgroup", "network"}
    shared = container(network_mode="host", pid_mode="host", ipc_mode="host")
    assert {entry["type"] for entry in namespaces(shared)} == {"mount", "uts", "cgroup"}


def test_user_mounts_come_parents_first(tmp_path: Path) -> None:
    made = container(binds=("/tmp:/a/b/c", "/tmp:/a:ro,rshared"), tmpfs={"/a/b": "size=1m"})
    listed = mounts.user_mounts(made, Paths(tmp_path, tmp_path), Rootfs([]))
    assert [mount["destination"] for mount in listed] == ["/a", "/a/b", "/a/b/c"]
    assert listed[0]["options"] == ["rbind", "ro", "rshared"]
    assert listed[1]["options"] == ["noexec", "nosuid", "nodev", "size=1m"]


def test_the_source_of_a_mount_must_exist(tmp_path: Path) -> None:
    host = HostConfig(mounts=(MountPoint("bind", "/a", str(tmp_path / "none")),))
    with pytest.raises(InvalidArgument, match=r"bind source path does not exist: .*/none"):
        mounts.check_sources(host)


def test_devices_have_the_hosts_numbers() -> None:
    host = HostConfig(devices=())
    assert devices.nodes(host) == []
    assert devices.rules(host)[0] == {"allow": False, "access": "rwm"}
    assert devices.rules(HostConfig(privileged=True)) == [{"allow": True, "access": "rwm"}]


def test_hosts_and_resolv_conf() -> None:
    made = container(extra_hosts=("db:[fe80::1]",), dns=("9.9.9.9",))
    assert files.hosts(made).startswith("127.0.0.1\tlocalhost\n")
    assert files.hosts(made).endswith("fe80::1\tdb\n")
    text = files.resolv_conf(made)
    assert [line for line in text.splitlines() if line.startswith("nameserver")] == [
        "nameserver 9.9.9.9"
    ]


def test_a_docker_profile_depends_on_capabilities_and_architecture() -> None:
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    document = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["a"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_KILL"]}},
            {"names": ["b"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_BPF"]}},
            {"names": ["c"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_KILL"]}},
            {"names": ["d"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": [arch]}},
            {"names": ["e"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["s390"]}},
            {"names": ["f"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "99.0"}},
        ],
    }
    profile.check(document)
    policy = profile.to_oci(document, ("CAP_KILL",))
    assert [rule["names"] for rule in policy["syscalls"]] == [["read"], ["a"], ["d"]]
