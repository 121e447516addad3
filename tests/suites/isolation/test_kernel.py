"""Files and calls by which the kernel itself, and so the host, could be reached."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from engine.containers.model import HostConfig
from engine.runtime.cgroups import detect

from .box import DOCKER, UNCONFINED, Box, program

SETTINGS = (
    "/proc/sys/kernel/core_pattern",  # a program the host runs as root at any crash
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/hotplug",
    "/proc/sys/fs/binfmt_misc/register",
    "/proc/sys/vm/panic_on_oom",
    "/proc/sys/kernel/panic",
    "/proc/sysrq-trigger",
    "/proc/irq/default_smp_affinity",
    "/sys/kernel/uevent_helper",
    "/sys/kernel/mm/ksm/run",
    "/sys/power/state",
    "/sys/module/printk/parameters/time",
    "/sys/kernel/uevent_seqnum",
)
OPEN_ALL = "for path in {paths}: print(path, outcome(open_for_writing, path), flush=True)"
READ_ALL = """
def size(path):
    if os.path.isdir(path):
        return len(os.listdir(path))
    with open(path, "rb") as file:
        return len(file.read(4096))
for path in {paths}: print(path, size(path) if os.path.exists(path) else 0, flush=True)
"""
HIDDEN = ("/proc/keys", "/proc/interrupts", "/proc/timer_list", "/proc/kcore", "/sys/firmware")


def answers(text: str) -> dict[str, str]:
    return dict(line.split() for line in text.splitlines())


def there(paths: tuple[str, ...]) -> list[str]:
    """Those that this kernel has, and that its root may write or read."""
    return [path for path in paths if os.access(path, os.W_OK if path in SETTINGS else os.R_OK)]


async def test_no_setting_of_the_kernel_can_be_opened_for_writing(box: Box) -> None:
    paths = there(SETTINGS)
    assert "/proc/sys/kernel/core_pattern" in paths
    refused = answers(await box.run(OPEN_ALL.format(paths=paths)))
    assert set(refused.values()) <= {"EROFS", "EACCES", "ENOENT"} and len(refused) == len(paths)
    granted = answers(await box.run(OPEN_ALL.format(paths=paths), UNCONFINED))
    assert granted["/proc/sys/kernel/core_pattern"] == "worked"


async def test_what_the_kernel_tells_of_the_host_is_hidden(box: Box) -> None:
    paths = there(HIDDEN)
    assert set(answers(await box.run(READ_ALL.format(paths=paths))).values()) == {"0"}
    shown = answers(await box.run(READ_ALL.format(paths=paths), UNCONFINED))
    assert int(shown["/proc/interrupts"]) > 0


MOUNTING = """
MS_REMOUNT, MS_BIND = 32, 4096
attempt(call, "mount", b"none", b"/proc", b"tmpfs", 0, None)
attempt(call, "mount", b"none", b"/tmp", b"proc", 0, None)
attempt(call, "mount", b"none", b"/proc/sys", b"none", MS_REMOUNT | MS_BIND, None)
attempt(call, "mount", b"none", b"/sys", b"none", MS_REMOUNT | MS_BIND, None)
"""
UNHIDING = """
attempt(call, "umount2", b"/proc/keys", 0)
attempt(call, "umount2", b"/proc/sys", 0)
"""


async def test_nothing_can_be_mounted(box: Box) -> None:
    """Over /proc, as /proc once more without its masks, or again and writable."""
    assert (await box.run(MOUNTING)).split() == ["EPERM"] * 4
    assert (await box.run(MOUNTING, UNCONFINED)).split()[:2] == ["worked", "worked"]


async def test_no_mask_can_be_taken_off(box: Box) -> None:
    assert (await box.run(UNHIDING)).split() == ["EPERM"] * 2
    admin = HostConfig(cap_add=("SYS_ADMIN",), security_opt=("seccomp=unconfined",))
    assert (await box.run(UNHIDING, admin)).split() == ["worked"] * 2


RELEASE_AGENT = """
flags = {flags}
if flags:
    print(outcome(call, "unshare", flags))
os.mkdir("/tmp/hierarchy")
print(outcome(call, "mount", b"none", b"/tmp/hierarchy", b"cgroup", 0, b"memory"))
print(outcome(open_for_writing, "/tmp/hierarchy/release_agent"))
os.system("umount /tmp/hierarchy; rmdir /tmp/hierarchy")
"""
USER_MOUNT_CGROUP = 0x10000000 | 0x00020000 | 0x02000000


@pytest.mark.skipif(detect().mode == "v2", reason="cgroup v2 has no release_agent")
async def test_the_release_agent_is_out_of_reach(box: Box) -> None:
    """A program of the host's root at the end of a v1 cgroup; the way by CVE-2022-0492, too."""
    plain = RELEASE_AGENT.format(flags=0)
    assert "worked" not in await box.run(plain)
    assert "worked" not in await box.run(RELEASE_AGENT.format(flags=USER_MOUNT_CGROUP))
    kinds = [{"type": kind} for kind in ("pid", "mount")]  # the host's cgroups, all rights
    assert (await box.run(plain, UNCONFINED, namespaces=kinds)).split()[:2] == ["worked"] * 2


CGROUP_FILES = """
wanted = {"cgroup.procs", "memory.limit_in_bytes", "memory.max", "pids.max", "devices.allow"}
wanted |= {"cgroup.subtree_control", "notify_on_release", "cgroup.freeze"}
for directory, _, files in os.walk("/sys/fs/cgroup"):
    for name in wanted & set(files):
        print(f"{directory}/{name}", outcome(open_for_writing, f"{directory}/{name}"), flush=True)
    if "cgroup.procs" in files:
        print(directory, outcome(os.mkdir, directory + "/mine"), flush=True)
"""


async def test_its_limits_are_not_its_own_to_change(box: Box) -> None:
    refused = answers(await box.run(CGROUP_FILES))
    assert {path: said for path, said in refused.items() if said != "EROFS"} == {}
    take_back = CGROUP_FILES + '\nos.system("find /sys/fs/cgroup -name mine -exec rmdir {} +")'
    assert "worked" in (await box.run(take_back, UNCONFINED)).split()


SEES = """
for directory, directories, files in os.walk("/sys/fs/cgroup"):
    print(*directories, *files)
"""


async def test_nobody_elses_cgroup_is_seen(box: Box) -> None:
    other = await box.start(box.config(["sleep", "1000"]))
    names = (await box.run(SEES)).split()
    assert "cgroup.procs" in names
    assert not {other.id, box.host.cgroup_parent} & set(names)
    kinds = [{"type": kind} for kind in ("pid", "mount")]
    mounts = [
        {"destination": "/host", "type": "bind", "source": "/sys/fs/cgroup", "options": ["rbind"]}
    ]
    config = box.config(program(SEES.replace("/sys/fs/cgroup", "/host")), namespaces=kinds)
    shown, _ = await box.finish(config | {"mounts": config["mounts"] + mounts})
    assert {other.id, box.host.cgroup_parent} <= set(shown.split())


# name -> arguments that reach the call's own checks and change nothing if it is let through.
CALLS: dict[str, tuple[int | bytes | None, ...]] = {
    "acct": (b"/no/such/file",),
    "add_key": (b"user", None, None, 0, -1),
    "bpf": (0, None, 0),
    "delete_module": (b"no_such_module", 0o4000),
    "fanotify_init": (-1, 0),
    "finit_module": (-1, b"", 0),
    "fsmount": (-1, 0, 0),
    "fsopen": (b"no-such-file-system", 0),
    "init_module": (None, 0, b""),
    "io_uring_enter": (-1, 0, 0, 0, None, 0),
    "io_uring_register": (-1, 0, None, 0),
    "io_uring_setup": (0, None),
    "kexec_file_load": (-1, -1, 0, b"", -1),
    "kexec_load": (0, 1 << 32, None, 0),
    "keyctl": (99, 0, 0, 0, 0),
    "lookup_dcookie": (0, None, 0),
    "mount_setattr": (-1, b"", 0, None, 0),
    "move_mount": (-1, b"", -1, b"", 0),
    "nfsservctl": (0, None, None),
    "open_by_handle_at": (-1, None, 0),
    "open_tree": (-1, b"", -1),
    "perf_event_open": (None, 0, -1, -1, 0),
    "pidfd_getfd": (-1, 0, 0),
    "pivot_root": (b"/no/such", b"/no/such"),
    "quotactl": (-1, None, 0, None),
    "reboot": (0, 0, 0, None),
    "request_key": (b"user", None, None, 0),
    "setdomainname": (b"", -1),
    "sethostname": (b"", -1),
    "setns": (-1, 0),
    "settimeofday": (1, None),
    "swapoff": (b"/no/such",),
    "swapon": (b"/no/such", 0),
    "syslog": (-1, None, 0),
    "umount2": (b"/no/such", 0),
    "unshare": (0x10000000,),
    "uselib": (b"/no/such",),
    "userfaultfd": (-1,),
    "vhangup": (),
}
CALL_ALL = (
    "for name, args in {calls}.items():\n    print(name, outcome(call, name, *args), flush=True)"
)
# Let through without the filter, too: the kernel itself refuses, or no longer has them.
ALWAYS_REFUSED = {"lookup_dcookie", "nfsservctl", "uselib"}


async def test_calls_that_docker_does_not_permit_are_refused(box: Box) -> None:
    """Keys, BPF, performance events, userfaultfd, io_uring, modules, kexec, mounts of each kind."""
    code = CALL_ALL.format(calls={n: a for n, a in CALLS.items() if n != "vhangup"})
    refused = answers(await box.run(code))
    assert {name for name, said in refused.items() if said not in ("EPERM", "ENOSYS")} == set()
    granted = answers(await box.run(code, UNCONFINED))
    let_through = {name for name, said in granted.items() if said not in ("EPERM", "ENOSYS")}
    assert {"add_key", "bpf", "keyctl", "unshare", "setns", "umount2"} <= let_through


THIRTY_TWO_BIT = """
import mmap
# push rbx; mov eax, number; mov ebx, first; int 0x80; pop rbx; ret
area = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
address = ctypes.addressof(ctypes.c_char.from_buffer(area))
def legacy(number, first):
    words = [word.to_bytes(4, "little") for word in (number, first)]
    code = b"\\x53\\xb8" + words[0] + b"\\xbb" + words[1] + b"\\xcd\\x80\\x5b\\xc3"
    area[:] = code.ljust(4096, b"\\x90")
    result = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
    return "worked" if result >= 0 else errno.errorcode[-result]
print(legacy(310, 0x08000000), flush=True)
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the i386 way in is x86_64's")
async def test_the_filter_holds_for_calls_of_32_bit_programs(box: Box) -> None:
    """unshare(CLONE_NEWIPC) through int 0x80."""
    said = await box.run(THIRTY_TWO_BIT)
    open_ = await box.run(THIRTY_TWO_BIT, UNCONFINED)
    if "worked" not in open_:
        pytest.skip(f"this kernel has no 32-bit calls: {open_}")
    assert said in ("EPERM", "ENOSYS")


SESSION_KEYRING = "print(call('keyctl', 0, -3, 0, 0, 0))"


async def test_the_session_keyring_is_not_the_hosts(box: Box) -> None:
    """KEYCTL_GET_KEYRING_ID of KEY_SPEC_SESSION_KEYRING; without the filter, which hides it."""
    assert "PermissionError" in await box.run(SESSION_KEYRING)
    command = program(SESSION_KEYRING)
    command[0] = str(box.rootfs) + command[0]
    run = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    outside = run.stdout.strip()
    if not outside:
        pytest.skip("this kernel has no keyrings")
    inside = await box.run(SESSION_KEYRING, UNCONFINED)
    assert inside.isdigit() and inside != outside


async def test_a_setting_of_the_containers_own_does_not_change_the_hosts(box: Box) -> None:
    """linux.sysctl goes to the container's network; the host's value stays (CVE-2025-52881)."""
    path = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    before = path.read_text()
    config = box.config(
        ["cat", str(path)], DOCKER, sysctl={"net.ipv4.ip_unprivileged_port_start": "77"}
    )
    assert (await box.finish(config))[0] == "77"
    assert path.read_text() == before
