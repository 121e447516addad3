"""What a container sees of itself and of its host, asked from inside."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.runtime import capabilities, syscalls

from .harness import make_config, run, shell, start, status_fields

ALL_ALLOWED = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}


def test_first_process_is_pid_1_and_sees_no_other(root: Path) -> None:
    code, text = run(shell(root, "echo $$; ls /proc | busybox grep -c '^[0-9]'"))
    assert (code, text.split()[0]) == (0, "1")
    assert int(text.split()[1]) <= 3


def test_host_name_is_its_own(root: Path) -> None:
    before = os.uname().nodename
    config = shell(root, "busybox hostname; cat /proc/sys/kernel/domainname")
    config["domainname"] = "example.org"
    assert run(config) == (0, "box\nexample.org\n")
    assert os.uname().nodename == before


def test_no_mount_of_the_host_is_left(root: Path) -> None:
    _, text = run(shell(root, "cat /proc/self/mountinfo"))
    points = [line.split()[4] for line in text.splitlines()]
    assert points[0] == "/"
    outside = [p for p in points[1:] if not p.startswith(("/proc", "/dev", "/sys"))]
    assert outside == []


def test_mounts_of_the_container_do_not_reach_the_host(root: Path) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    run(shell(root, "true"))
    assert Path("/proc/self/mountinfo").read_text() == before


def test_network_has_only_a_loopback_that_is_up(root: Path) -> None:
    _, text = run(
        shell(root, "ls /sys/class/net; busybox ping -c1 -W2 127.0.0.1 >/dev/null; echo $?")
    )
    assert text.split() == ["lo", "0"]


def test_host_network_is_kept_without_a_network_namespace(root: Path) -> None:
    config = shell(root, "busybox readlink /proc/self/ns/net")
    config["linux"]["namespaces"] = [
        each for each in config["linux"]["namespaces"] if each["type"] != "network"
    ]
    assert run(config)[1].strip() == os.readlink("/proc/self/ns/net")


def test_network_namespace_is_joined_by_path(root: Path) -> None:
    config = shell(root, "busybox readlink /proc/self/ns/net")
    for each in config["linux"]["namespaces"]:
        if each["type"] == "network":
            each["path"] = "/proc/self/ns/net"
    assert run(config)[1].strip() == os.readlink("/proc/self/ns/net")


def test_cgroup_namespace_shows_its_own_cgroup_as_the_root(root: Path) -> None:
    _, text = run(shell(root, "cat /proc/self/cgroup"))
    assert {line.split(":", 2)[2] for line in text.splitlines()} == {"/"}


def test_cgroup_view_is_read_only(root: Path) -> None:
    script = "cd /sys/fs/cgroup; for d in . *; do busybox mkdir $d/x 2>&1; done"
    lines = run(shell(root, script))[1].splitlines()
    assert lines
    assert [line for line in lines if "Read-only file system" not in line] == []


def test_cgroup_view_without_a_namespace_is_of_its_own_cgroup(root: Path) -> None:
    config = shell(root, "cat /proc/mounts; cat /proc/self/cgroup")
    config["linux"]["namespaces"] = [
        each for each in config["linux"]["namespaces"] if each["type"] != "cgroup"
    ]
    code, text = run(config)
    assert code == 0
    assert " /sys/fs/cgroup" in text
    assert set(Path("/proc/self/cgroup").read_text().split()) <= set(text.split())


def test_pid_namespace_is_joined_by_path(root: Path) -> None:
    first = start(make_config(root, "sleep", "600"))
    config = shell(root, "busybox readlink /proc/self/ns/pid; cat /proc/1/cmdline")
    for each in config["linux"]["namespaces"]:
        if each["type"] == "pid":
            each["path"] = f"/proc/{first.pid}/ns/pid"
    wanted = os.readlink(f"/proc/{first.pid}/ns/pid")
    _, text = run(config)
    here = os.readlink("/proc/self/ns/pid_for_children")
    first.kill()
    assert text.startswith(wanted + "\n")
    assert "sleep" in text
    assert here == os.readlink("/proc/self/ns/pid")


def test_capabilities_are_dropped_to_the_given_sets(root: Path) -> None:
    _, text = run(shell(root, "cat /proc/self/status"))
    fields = status_fields(text)
    assert fields["CapBnd"] == fields["CapEff"] == fields["CapPrm"] == "00000000a80425fb"
    assert fields["CapInh"] == fields["CapAmb"] == "0000000000000000"


def test_ambient_capabilities_reach_another_user(root: Path) -> None:
    config = shell(root, "cat /proc/self/status")
    config["process"]["user"] = {"uid": 1000, "gid": 1000}
    for name in ("bounding", "effective", "permitted", "inheritable", "ambient"):
        config["process"]["capabilities"][name] = ["CAP_NET_BIND_SERVICE"]
    fields = status_fields(run(config)[1])
    assert fields["CapEff"] == fields["CapAmb"] == "0000000000000400"


def test_another_user_has_no_capability(root: Path) -> None:
    config = shell(root, "cat /proc/self/status")
    config["process"]["user"] = {"uid": 1000, "gid": 1000}
    assert status_fields(run(config)[1])["CapEff"] == "0000000000000000"


@pytest.mark.parametrize("no_new_privileges", [False, True])
def test_seccomp_filters(root: Path, no_new_privileges: bool) -> None:
    config = shell(root, "cat /proc/self/status; busybox unshare -U true")
    config["process"]["noNewPrivileges"] = no_new_privileges
    text = run(config)[1]
    fields = status_fields(text)
    assert fields["Seccomp"] == "2"
    assert fields["NoNewPrivs"] == str(int(no_new_privileges))
    assert "Operation not permitted" in text


def test_seccomp_and_another_user_with_no_new_privileges(root: Path) -> None:
    config = shell(root, "cat /proc/self/status")
    config["process"]["noNewPrivileges"] = True
    config["process"]["user"] = {"uid": 1000, "gid": 1000}
    assert status_fields(run(config)[1])["Seccomp"] == "2"


def test_masked_paths_are_empty(root: Path) -> None:
    for name in ("secret", "other"):
        (root / name).mkdir()
        (root / name / "key").write_text("hidden")
    script = "busybox wc -c < /proc/kallsyms; ls -A /secret /other; touch /secret/x"
    config = shell(root, script)
    config["linux"]["maskedPaths"] += ["/proc/kallsyms", "/secret", "/other", "/other/key"]
    _, text = run(config)
    assert text.startswith("0\n")
    assert "key" not in text
    assert "Read-only file system" in text


def test_readonly_paths_cannot_be_written(root: Path) -> None:
    _, text = run(shell(root, "echo 1 > /proc/sys/kernel/panic"))
    assert "Read-only file system" in text


def test_proc_and_sys_are_the_containers_own(root: Path) -> None:
    _, text = run(shell(root, "touch /sys/x; cat /proc/1/cmdline | busybox tr '\\0' ' '"))
    assert "Read-only file system" in text
    assert "sh -c" in text


def test_no_descriptor_of_the_host_is_left_open(root: Path) -> None:
    leaks = [os.open("/", os.O_RDONLY) for _ in range(5)]
    for fd in leaks:
        os.set_inheritable(fd, True)
    _, text = run(shell(root, "ls /proc/1/fd; true"))
    for fd in leaks:
        os.close(fd)
    assert text.split() == ["0", "1", "2"]


def test_signals_are_as_after_boot(root: Path) -> None:
    fields = status_fields(run(shell(root, "exec cat /proc/self/status"))[1])
    assert fields["SigIgn"] == fields["SigBlk"] == "0000000000000000"


def test_ipc_namespace_and_shared_memory_are_its_own(root: Path) -> None:
    _, text = run(shell(root, "busybox readlink /proc/self/ns/ipc; ls -A /dev/shm /dev/mqueue"))
    assert text.split()[0] != os.readlink("/proc/self/ns/ipc")
    assert text.split()[1:] == ["/dev/mqueue:", "/dev/shm:"] or "/dev/shm:" in text


def test_sysctl_is_set_in_the_namespace_only(root: Path) -> None:
    here = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()
    config = shell(root, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start")
    config["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "17"}
    assert run(config) == (0, "17\n")
    assert Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text() == here


def test_device_nodes_and_links_are_there(root: Path) -> None:
    _, text = run(
        shell(root, "busybox stat -c '%n %F %t,%T %a' /dev/* ; echo x > /dev/null; echo $?")
    )
    assert "/dev/null character special file 1,3 666" in text
    assert "/dev/urandom character special file 1,9 666" in text
    for name in ("fd", "stdin", "stdout", "stderr", "ptmx"):
        assert f"/dev/{name} symbolic link" in text
    assert text.endswith("0\n")


def test_user_namespace_maps_ids(root: Path) -> None:
    config = shell(root, "id -u; cat /proc/self/uid_map")
    config["linux"]["namespaces"].append({"type": "user"})
    mapping = [{"containerID": 0, "hostID": 0, "size": 65536}]
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = mapping
    code, text = run(config)
    assert (code, text.split()) == (0, ["0", "0", "0", "65536"])


@pytest.fixture
def open_root(root: Path) -> Iterator[Path]:
    """A root file system that any user of the host can reach, owned by one of them."""
    with tempfile.TemporaryDirectory(prefix="berth-init-") as folder:
        os.chmod(folder, 0o755)
        made = shutil.copytree(root, Path(folder, "root"), symlinks=True)
        for path in (made, *made.rglob("*")):
            os.chown(path, 100000, 100000, follow_symlinks=False)
        yield made


def test_oom_score_holds_for_another_user_of_the_host(open_root: Path) -> None:
    config = shell(open_root, "cat /proc/self/oom_score_adj")
    config["linux"]["namespaces"].append({"type": "user"})
    mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = mapping
    config["process"]["oomScoreAdj"] = 300
    running = start(config)
    assert running.finish() == (0, "300\n")
    assert running.child.warnings == ()


def test_every_namespace_but_the_mounts_can_be_the_hosts(root: Path) -> None:
    kinds = ("pid", "net", "uts", "ipc", "cgroup")
    script = "; ".join(f"busybox readlink /proc/self/ns/{kind}" for kind in kinds)
    config = shell(root, f"{script}; ls -d /proc/{os.getpid()}")
    del config["hostname"]
    config["linux"]["namespaces"] = [{"type": "mount"}]
    code, text = run(config)
    assert code == 0
    wanted = [os.readlink(f"/proc/self/ns/{kind}") for kind in kinds]
    assert text.split() == [*wanted, f"/proc/{os.getpid()}"]


def test_privileged_container_may_mount(root: Path) -> None:
    script = "busybox mount -t tmpfs none /tmp && echo 1 > /proc/sys/net/ipv4/ip_forward"
    config = shell(root, script)
    every = capabilities.words(syscalls.capget()[1])
    config["process"]["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), every)
    del config["linux"]["seccomp"]
    config["linux"]["readonlyPaths"] = config["linux"]["maskedPaths"] = []
    assert run(config) == (0, "")


def test_capability_that_nobody_has_is_a_warning(root: Path) -> None:
    missing = ~syscalls.capget()[1] & ((1 << 41) - 1)
    if not missing:
        pytest.skip("needs a root that lacks a capability")
    name = capabilities.words(missing)[0]
    config = shell(root, "true")
    for sets in config["process"]["capabilities"].values():
        sets.append(name)
    running = start(config)
    assert running.finish()[0] == 0
    assert running.child.warnings == (f"capability {name} is not available",)
