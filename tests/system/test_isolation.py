"""Isolation, seen from inside."""

import os
from pathlib import Path

import pytest

from tests.system.conftest import IMAGE
from tests.system.daemons import Daemon

pytestmark = pytest.mark.root


def inside(daemon: Daemon, script: str, *options: str) -> str:
    return daemon.docker("run", "--rm", *options, IMAGE, "sh", "-c", script).stdout


def status_field(daemon: Daemon, key: str, *options: str) -> str:
    return inside(daemon, f"grep ^{key}: /proc/self/status", *options).split()[1]


def test_the_program_is_process_one_and_sees_no_other(daemon: Daemon) -> None:
    processes = inside(daemon, "echo $$; ls -d /proc/[0-9]* | wc -l").split()
    assert processes[0] == "1"
    assert int(processes[1]) <= 4


def test_the_hostname_is_its_own(daemon: Daemon) -> None:
    hostname = inside(daemon, "hostname").strip()
    assert len(hostname) == 12
    assert hostname != os.uname().nodename


@pytest.mark.parametrize("kind", ["pid", "mnt", "net", "uts", "ipc"])
def test_each_namespace_is_its_own(daemon: Daemon, kind: str) -> None:
    assert inside(daemon, f"readlink /proc/self/ns/{kind}").strip() != os.readlink(
        f"/proc/self/ns/{kind}"
    )


def test_the_cgroup_namespace_is_its_own(berth: Daemon) -> None:
    assert inside(berth, "readlink /proc/self/ns/cgroup").strip() != os.readlink(
        "/proc/self/ns/cgroup"
    )
    assert "/berth" not in inside(berth, "cat /proc/self/cgroup")


def test_mounts_are_its_own(daemon: Daemon) -> None:
    mounts = inside(daemon, "cat /proc/self/mountinfo")
    assert " / / " in mounts
    assert str(Path(__file__).parents[2]) not in mounts
    for target in ("/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys"):
        assert f" {target} " in mounts


def test_kcore_is_masked(daemon: Daemon) -> None:
    assert inside(
        daemon, "head -c 10 /proc/kcore | wc -c; ls /proc/acpi 2>/dev/null | wc -l"
    ).split() in (
        ["0", "0"],
        ["0"],
    )


def test_proc_sys_and_sys_are_read_only(daemon: Daemon) -> None:
    paths = "/proc/sys/kernel/hostname /proc/sysrq-trigger /sys/fs/cgroup/x"
    output = inside(daemon, f"(for p in {paths}; do {{ echo 1 > $p; }} 2>&1; done) 2>&1; true")
    assert (
        output.count("Read-only file system")
        + output.count("nonexistent directory")
        + output.count("Permission denied")
        >= 2
    )


def test_capabilities_are_dockers_fourteen(daemon: Daemon) -> None:
    assert status_field(daemon, "CapEff") == "00000000a80425fb"
    assert status_field(daemon, "CapBnd") == "00000000a80425fb"


def test_capabilities_can_be_dropped_and_added(daemon: Daemon) -> None:
    assert status_field(daemon, "CapEff", "--cap-drop", "ALL") == "0000000000000000"
    added = int(status_field(daemon, "CapEff", "--cap-drop", "ALL", "--cap-add", "NET_ADMIN"), 16)
    assert added == 1 << 12


def test_another_user_has_no_capabilities(daemon: Daemon) -> None:
    assert status_field(daemon, "CapEff", "-u", "1234") == "0000000000000000"


def test_seccomp_filters(daemon: Daemon) -> None:
    assert status_field(daemon, "Seccomp") == "2"
    assert status_field(daemon, "Seccomp", "--security-opt", "seccomp=unconfined") == "0"


def test_a_filtered_call_is_refused(daemon: Daemon) -> None:
    done = daemon.docker("run", "--rm", IMAGE, "unshare", "-m", "true", check=False)
    assert done.returncode != 0
    assert "Operation not permitted" in done.stderr


def test_no_new_privileges(daemon: Daemon) -> None:
    assert status_field(daemon, "NoNewPrivs", "--security-opt", "no-new-privileges") == "1"


def test_a_read_only_root_is_read_only(daemon: Daemon) -> None:
    output = inside(
        daemon, "touch /x 2>&1; touch /tmp/y && echo tmp", "--read-only", "--tmpfs", "/tmp"
    )
    assert "Read-only file system" in output
    assert output.endswith("tmp\n")


def test_devices_are_the_standard_ones(daemon: Daemon) -> None:
    names = set(inside(daemon, "ls /dev").split())
    assert {
        "null",
        "zero",
        "full",
        "random",
        "urandom",
        "tty",
        "ptmx",
        "pts",
        "shm",
        "fd",
        "stdin",
    } <= names
    assert not {"vda", "sda", "mem", "kmsg", "kvm"} & names


def test_a_device_node_made_inside_cannot_be_opened(daemon: Daemon) -> None:
    script = "mknod /tmp/disk b 254 0 && dd if=/tmp/disk of=/dev/null count=1"
    done = daemon.docker("run", "--rm", IMAGE, "sh", "-c", script, check=False)
    assert done.returncode != 0
    assert "Operation not permitted" in done.stderr


def test_network_none_has_only_loopback(daemon: Daemon) -> None:
    links = inside(daemon, "ls /sys/class/net; ip addr show lo", "--network", "none")
    assert links.split("\n")[0] == "lo"
    assert "127.0.0.1" in links


def test_network_host_is_the_hosts(daemon: Daemon) -> None:
    assert inside(daemon, "readlink /proc/self/ns/net", "--network", "host").strip() == os.readlink(
        "/proc/self/ns/net"
    )


def test_no_descriptor_leaks_in(daemon: Daemon) -> None:
    assert inside(daemon, "ls /proc/self/fd").split() == ["0", "1", "2", "3"]  # 3 is ls's own


def test_bind_mounts_and_read_only_binds(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("from the host\n")
    done = daemon.docker(
        *("run", "--rm", "-v", f"{tmp_path}:/rw", "-v", f"{tmp_path}:/ro:ro", IMAGE, "sh", "-c"),
        "cat /ro/f; echo back > /rw/g; touch /ro/x 2>&1; true",
    )
    assert done.stdout.startswith("from the host\n")
    assert "Read-only file system" in done.stdout
    assert (tmp_path / "g").read_text() == "back\n"
