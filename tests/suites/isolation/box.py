"""What an attack needs: a container as Docker would configure it, and a program to run in it."""

import itertools
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from engine.containers.model import HostConfig
from engine.containers.spec import capabilities, devices, mounts, security
from engine.runtime import syscalls
from engine.runtime.capabilities import BITS
from engine.runtime.launcher import ExitRecord, Launcher, Monitor
from engine.runtime.syscall_numbers import NUMBERS
from tests.suites import host as plain
from tests.suites.host import Config, Host, bounded, log_text, read_all

PYTHON = "/bin/python3"
DOCKER = HostConfig()
"""What `docker run` says when nothing is asked for."""

UNCONFINED = HostConfig(privileged=True)
"""Docker's --privileged: every capability and device, no filter, nothing hidden or read-only."""

# What every attack may use. `attempt` prints "worked", or the name of the error.
PRELUDE = """
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
NUMBERS = {numbers}
def call(name, *args):
    args = [a if isinstance(a, bytes) or a is None else ctypes.c_long(a) for a in args]
    result = libc.syscall(ctypes.c_long(NUMBERS[name]), *args)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result
def outcome(function, *args):
    try:
        function(*args)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "worked"
def attempt(function, *args):
    print(outcome(function, *args), flush=True)
def write(path, text, flags=0):
    fd = os.open(path, os.O_WRONLY | flags)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
def open_for_writing(path):
    os.close(os.open(path, os.O_WRONLY))
"""
_NUMBERS = itertools.count(1)
_USED = (
    *("add_key", "bpf", "clone3", "fsopen", "io_uring_setup", "keyctl", "kexec_load", "mount"),
    *("mount_setattr", "move_mount", "open_by_handle_at", "open_tree", "perf_event_open"),
    *("pidfd_getfd", "pivot_root", "process_vm_readv", "ptrace", "reboot", "request_key", "setns"),
    *("acct", "delete_module", "finit_module", "init_module", "quotactl", "settimeofday"),
    *("swapoff", "swapon", "syslog", "umount2", "unshare", "userfaultfd", "vhangup", "sethostname"),
    *("clone", "fanotify_init", "kcmp", "lookup_dcookie", "nfsservctl", "setdomainname", "fsmount"),
    *("io_uring_enter", "io_uring_register", "kexec_file_load", "open_tree_attr", "uselib"),
)


def give_python(root: Path) -> Path:
    """A copy, for the runtime's own interpreter must not be executed in a container."""
    shutil.copy(os.path.realpath(sys.executable), root / PYTHON.lstrip("/"))
    return root


def python_mounts() -> list[Config]:
    """The standard library and the shared libraries, below the paths they have on the host."""
    wanted = [sys.base_prefix + "/lib", "/usr/lib", "/lib", "/lib64"]
    return [
        {"destination": path, "type": "bind", "source": path, "options": ["rbind", "ro"]}
        for path in dict.fromkeys(wanted)
        if os.path.isdir(path)
    ]


def program(code: str) -> list[str]:
    """The arguments that run an attack: isolated from the environment, without `site`."""
    table = NUMBERS[os.uname().machine]
    numbers = {name: table[name] for name in _USED if name in table}
    return [PYTHON, "-I", "-S", "-c", PRELUDE.replace("{numbers}", repr(numbers)) + code]


class Box:
    """Makes containers on the runtime under test."""

    def __init__(self, host: Host, launcher: Launcher, rootfs: Path) -> None:
        self.host = host
        self.launcher = launcher
        self.rootfs = rootfs

    def config(self, args: list[str], wanted: HostConfig = DOCKER, **changes: Any) -> Config:
        """Docker's configuration for `wanted`; `changes` replace members of `linux`."""
        granted = had(capabilities.granted(wanted))
        linux: Config = {
            "namespaces": [
                {"type": kind} for kind in ("pid", "mount", "network", "uts", "ipc", "cgroup")
            ],
            "resources": {"devices": devices.rules(wanted)},
            "maskedPaths": security.masked_paths(wanted),
            "readonlyPaths": security.readonly_paths(wanted),
        }
        policy = security.seccomp_policy(wanted, granted)
        linux = linux | ({} if policy is None else {"seccomp": policy}) | changes
        own_name = {"type": "uts"} in linux["namespaces"]
        return {
            "ociVersion": "1.2.0",
            "root": {"path": str(self.rootfs), "readonly": wanted.readonly_rootfs},
            **({"hostname": "box"} if own_name else {}),
            "process": process(args, granted),
            "mounts": mounts.default_mounts(wanted) + python_mounts(),
            "linux": linux,
        }

    async def create(self, config: Config, **changes: Any) -> Monitor:
        """A created container under a new name; `changes` go to the launcher's options."""
        name = f"box{next(_NUMBERS)}"
        options = self.host.options(name, config, **changes)
        return self.host.remember(await self.launcher.create(name, options))

    async def start(self, config: Config, **changes: Any) -> Monitor:
        monitor = await self.create(config, **changes)
        await monitor.start()
        return monitor

    async def finish(self, config: Config) -> tuple[str, ExitRecord]:
        """Run to the end: what it printed on both streams, and how it ended."""
        monitor = await self.create(config)
        stream = await monitor.attach(stdin=False, stdout=True, stderr=True)
        try:
            await monitor.start()
            output = await read_all(stream)
        finally:
            await stream.close()
        record: ExitRecord = await bounded(monitor.wait())
        return (output[1] + output[2]).decode(errors="replace").strip(), record

    async def run(self, code: str, wanted: HostConfig = DOCKER, **changes: Any) -> str:
        """What the attack printed."""
        return (await self.finish(self.config(program(code), wanted, **changes)))[0]

    async def exec(self, monitor: Monitor, args: list[str], **changes: Any) -> str:
        """Run to the end in a running container, with Docker's rights; what it printed."""
        asked = process(args, capabilities.granted(DOCKER)) | changes
        session = await monitor.exec(f"exec{next(_NUMBERS)}", asked, stdin=False)
        output = await read_all(session.stream)
        await bounded(session.wait())
        return (output[1] + output[2]).decode(errors="replace").strip()

    def log(self, monitor: Monitor) -> str:
        return log_text(self.host.log(monitor.id)).decode(errors="replace")


def had(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those this machine's root has itself: nobody else's can be given away."""
    effective = syscalls.capget()[0]
    return tuple(name for name in names if effective >> BITS[name] & 1)


def process(args: list[str], granted: tuple[str, ...] = ()) -> Config:
    """An OCI `process` of root with these capabilities."""
    names = list(granted)
    return plain.process(args) | {
        "noNewPrivileges": False,
        "capabilities": {"bounding": names, "effective": names, "permitted": names},
    }
