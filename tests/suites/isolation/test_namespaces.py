"""Ways into namespaces that are not the container's, and what of the host is in sight."""

import asyncio
import ctypes
import os
import pty
import socket
import sys
import uuid
from pathlib import Path

from .box import UNCONFINED, Box, had, program
from .elf import GETEUID, elf

KINDS = ("pid", "mnt", "net", "uts", "ipc", "cgroup")
MOUNT_ONLY = [{"type": "mount"}]

UNSHARE_ALL = """
for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
    if os.fork() == 0:
        attempt(call, "unshare", flag)
        os._exit(0)
    os.wait()
"""


async def test_no_namespace_can_be_unshared(box: Box) -> None:
    assert (await box.run(UNSHARE_ALL)).split() == ["EPERM"] * 7
    assert "EPERM" not in (await box.run(UNSHARE_ALL, UNCONFINED)).split()


CLONE = """
def clone(flags):
    if call("clone", flags | 17, None, None, None, 0) == 0:
        os._exit(0)
    os.wait()
def clone3(flags):
    fields = (ctypes.c_ulonglong * 8)(flags, 0, 0, 0, 17, 0, 0, 0)
    if call("clone3", bytes(fields), 64) == 0:
        os._exit(0)
    os.wait()
for flag in (0x10000000, 0x20000, 0x40000000):
    attempt(clone, flag)
    attempt(clone3, flag)
attempt(clone3, 0)
"""


async def test_no_process_can_be_cloned_into_a_new_namespace(box: Box) -> None:
    """clone3's flags are behind a pointer, where no filter sees them: it must not exist at all."""
    assert (await box.run(CLONE)).split() == [*["EPERM", "ENOSYS"] * 3, "ENOSYS"]
    assert set((await box.run(CLONE, UNCONFINED)).split()) == {"worked"}


ALL_NAMESPACES = """
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        for kind in os.listdir(f"/proc/{pid}/ns"):
            print(os.readlink(f"/proc/{pid}/ns/{kind}"), flush=True)
    except OSError:
        pass  # a process of somebody else's, or one that has ended
"""


async def test_no_namespace_of_the_host_is_in_sight(box: Box) -> None:
    hosts = {os.readlink(f"/proc/self/ns/{kind}") for kind in KINDS}
    config = box.config(program(ALL_NAMESPACES), UNCONFINED)
    assert not hosts & set((await box.finish(config))[0].split())
    shared = box.config(program(ALL_NAMESPACES), UNCONFINED, namespaces=MOUNT_ONLY)
    assert hosts & set((await box.finish(shared))[0].split())


SETNS = """
for pid in filter(str.isdigit, os.listdir("/proc")):
    fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    attempt(call, "setns", fd, 0)
    break
attempt(call, "setns", os.pidfd_open(1), 0x40000000)
"""


async def test_no_namespace_can_be_joined(box: Box) -> None:
    """Refused even for its own, so for whatever a leaked descriptor might name."""
    assert (await box.run(SETNS)).split() == ["EPERM"] * 2
    assert (await box.run(SETNS, UNCONFINED)).split() == ["worked"] * 2


KILL_ALL = """
import signal
print(sorted(map(int, filter(str.isdigit, os.listdir("/proc")))), flush=True)
for pid in range(2, 32768):
    try:
        os.kill(pid, 0)
        print("found", pid)
    except ProcessLookupError:
        pass
attempt(os.kill, -1, signal.SIGKILL)
"""


async def test_no_process_of_the_host_can_be_seen_or_killed(box: Box) -> None:
    canary = await asyncio.create_subprocess_exec("sleep", "1000")
    try:
        assert await box.run(KILL_ALL, UNCONFINED) == "[1]\nESRCH"
        assert canary.returncode is None
        shared = box.config(["cat", f"/proc/{canary.pid}/comm"], namespaces=MOUNT_ONLY)
        assert (await box.finish(shared))[0] == "sleep"
    finally:
        canary.kill()
        await canary.wait()


ABSTRACT = """
import _socket
attempt(_socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM).connect, "\\0{name}")
"""


async def test_no_abstract_socket_of_the_host_is_reached(box: Box) -> None:
    """They belong to a network namespace, not to a file system (CVE-2020-15257)."""
    name = f"isolation-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        assert await box.run(ABSTRACT.format(name=name)) == "ECONNREFUSED"
        shared = await box.run(ABSTRACT.format(name=name), namespaces=MOUNT_ONLY)
        assert shared == "worked"


SHARED_MEMORY = """
libc.shmget.restype = ctypes.c_int
print("worked" if libc.shmget({key}, 0, 0o600) >= 0 else errno.errorcode[ctypes.get_errno()])
"""


async def test_no_shared_memory_of_the_host_is_found(box: Box) -> None:
    libc, key = ctypes.CDLL(None, use_errno=True), os.getpid()
    segment = libc.shmget(key, 4096, 0o1600)
    assert segment >= 0, os.strerror(ctypes.get_errno())
    try:
        assert await box.run(SHARED_MEMORY.format(key=key)) == "ENOENT"
        shared = await box.run(SHARED_MEMORY.format(key=key), namespaces=MOUNT_ONLY)
        assert shared == "worked"
    finally:
        libc.shmctl(segment, 0, None)


TERMINAL = "print(os.stat(0).st_dev, os.ttyname(0), outcome(os.open, '/dev/tty', os.O_RDWR))"


async def test_a_terminal_is_of_the_containers_own_devpts(box: Box) -> None:
    """What is typed into it by TIOCSTI, then, is typed into no terminal of the host."""
    config = box.config(program(TERMINAL))
    config["process"]["terminal"] = True
    device, name, tty = (await box.finish(config))[0].split()
    assert (name, tty) == ("/dev/pts/0", "worked")
    master, slave = pty.openpty()
    assert int(device) != os.fstat(slave).st_dev
    os.close(master)
    os.close(slave)


async def test_without_a_terminal_the_hosts_is_not_the_controlling_one(box: Box) -> None:
    attack = "attempt(os.open, '/dev/tty', os.O_RDWR)"
    assert await box.run(attack, UNCONFINED) == "ENXIO"
    pid, master = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, *program(attack)[1:]])
    with os.fdopen(master, "rb", buffering=0) as output:
        assert output.read(6) == b"worked"
    await asyncio.to_thread(os.waitpid, pid, 0)


STATUS = "print(open('/proc/self/status').read())"
FIELDS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Groups")


def fields(status: str) -> dict[str, str]:
    lines = (line.split(":", 1) for line in status.splitlines() if ":" in line)
    return {name: value.strip() for name, value in lines if name in FIELDS}


async def test_no_right_but_dockers_is_held_or_could_be_had(box: Box) -> None:
    """No inheritable ones either, in the first process and beside it (CVE-2022-29162)."""
    running = await box.start(box.config(["sleep", "1000"]))
    first = fields(await box.run(STATUS))
    beside = fields(await box.exec(running, program(STATUS)))
    docker = "00000000a80425fb"
    assert first == beside | {"Groups": first["Groups"]}
    assert first | {"Groups": ""} == {
        "CapInh": "0" * 16,
        "CapPrm": docker,
        "CapEff": docker,
        "CapBnd": docker,
        "CapAmb": "0" * 16,
        "NoNewPrivs": "0",
        "Seccomp": "2",
        "Groups": "",
    }
    granted = fields(await box.run(STATUS, UNCONFINED))
    assert granted["CapEff"] != docker and granted["Seccomp"] == "0"


async def test_groups_of_whoever_started_it_are_left_behind(box: Box) -> None:
    """CVE-2022-2995 and its like: a file of the group's would be open to another user."""
    before = os.getgroups()
    os.setgroups([4242])
    try:
        launcher = await box.host.launcher()  # it starts what it needs with this group
        inside = Box(box.host, launcher, box.rootfs)
        assert "4242" not in fields(await inside.run(STATUS))["Groups"].split()
        running = await inside.start(inside.config(["sleep", "1000"]))
        assert "4242" not in fields(await inside.exec(running, program(STATUS)))["Groups"].split()
    finally:
        os.setgroups(before)


async def test_no_new_privileges_makes_set_user_id_files_plain(box: Box, tmp_path: Path) -> None:
    """A program of root's that ends with its effective user's number, run by user 200."""
    file = tmp_path / "whoami"
    file.write_bytes(elf(GETEUID[os.uname().machine]))
    file.chmod(0o4755)
    mount = {"destination": "/whoami", "type": "bind", "source": str(file), "options": ["bind"]}

    async def effective(*, no_new_privileges: bool) -> int:
        config = box.config(["/whoami"])
        config["mounts"].append(mount)
        config["process"]["user"] = {"uid": 200, "gid": 200}
        config["process"]["noNewPrivileges"] = no_new_privileges
        return (await box.finish(config))[1].code

    assert await effective(no_new_privileges=True) == 200
    assert await effective(no_new_privileges=False) == 0


async def test_an_exec_has_the_filter_of_its_container(box: Box) -> None:
    running = await box.start(box.config(["sleep", "1000"]))
    attack = program("attempt(call, 'unshare', 0x10000000)")
    assert await box.exec(running, attack) == "EPERM"
    free = await box.start(box.config(["sleep", "1000"], UNCONFINED))
    names = list(had(("CAP_SYS_ADMIN",)))
    rights = {"bounding": names, "effective": names, "permitted": names}
    assert await box.exec(free, attack, capabilities=rights) == "worked"
