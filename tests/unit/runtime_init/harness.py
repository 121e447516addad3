"""Runs a plan as a monitor would, in the least code: clone, attach nothing, start, reap."""

import copy
import os
import select
import signal
import time
from pathlib import Path
from typing import Any

from engine.runtime import init, plan, seccomp, syscalls
from engine.runtime.mount import Mount

DEADLINE = 20.0
BUSYBOX = Path("/bin/busybox")
DEFAULT_CAPABILITIES = [
    f"CAP_{name}"
    for name in (
        *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID"),
        *("SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"),
    )
]
_SETS = ("bounding", "effective", "permitted")
_MOUNTS = [
    ("/proc", "proc", "proc", ["nosuid", "noexec", "nodev"]),
    ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    (
        "/dev/pts",
        "devpts",
        "devpts",
        ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    ),
    ("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", "ro"]),
    ("/sys/fs/cgroup", "cgroup", "cgroup", ["ro", "nosuid", "noexec", "nodev"]),
    ("/dev/mqueue", "mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
    ("/dev/shm", "tmpfs", "shm", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
]


def make_root(path: Path) -> Path:
    """A root file system with busybox and nothing else to speak of."""
    for name in ("bin", "etc", "tmp", "proc", "dev", "sys"):
        (path / name).mkdir(parents=True)
    (path / "bin/busybox").write_bytes(BUSYBOX.read_bytes())
    (path / "bin/busybox").chmod(0o755)
    for applet in ("sh", "cat", "ls", "id", "sleep", "true", "mount", "tty", "stat", "touch"):
        (path / "bin" / applet).symlink_to("busybox")
    (path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000::/srv:\n")
    return path


def make_config(root: Path, *args: str) -> dict[str, Any]:
    """The config an engine would write for a plain container."""
    return {
        "ociVersion": "1.1.0",
        "hostname": "box",
        "root": {"path": str(root)},
        "process": {
            "args": list(args),
            "env": ["PATH=/bin"],
            "cwd": "/",
            "user": {"uid": 0, "gid": 0},
            "noNewPrivileges": False,
            "capabilities": {name: list(DEFAULT_CAPABILITIES) for name in _SETS},
        },
        "mounts": [
            {"destination": target, "type": kind, "source": source, "options": list(options)}
            for target, kind, source, options in _MOUNTS
        ],
        "linux": {
            "namespaces": [
                {"type": kind} for kind in ("pid", "mount", "network", "uts", "ipc", "cgroup")
            ],
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/acpi", "/proc/not-there"],
            "readonlyPaths": ["/proc/sys", "/proc/bus"],
            "seccomp": copy.deepcopy(seccomp.default_profile()),
        },
    }


class Running:
    """A started program; `finish` gives what it wrote and how it ended."""

    def __init__(self, child: init.Child, output: int, stdin: int) -> None:
        self.child = child
        self.pid = child.pid
        self.output = output
        self.stdin = stdin

    def finish(self) -> tuple[int, str]:
        os.close(self.stdin)
        text = read_all(self.output if self.child.terminal is None else self.child.terminal)
        code = reap(self.child)
        for fd in (self.output, self.child.terminal):
            if fd is not None:
                os.close(fd)
        return code, text

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.finish()


def compile(config: dict[str, Any], mounts: tuple[Mount, ...] = ()) -> plan.InitPlan:
    """A plan that has been over the wire, as every plan has."""
    import marshal

    wire = marshal.dumps(plan.compile(config, mounts, warnings=[]).to_wire())
    return plan.InitPlan.from_wire(marshal.loads(wire))


def start(config: dict[str, Any], mounts: tuple[Mount, ...] = ()) -> Running:
    """Clone, set up and execute. Raises init.StepFailed after reaping."""
    compiled = compile(config, mounts)
    return drive(lambda stdio: init.spawn(compiled, stdio))


def start_exec(running: Running, config: dict[str, Any], process: dict[str, Any]) -> Running:
    """Execute `process` in a container that `start` gave."""
    container = compile(config)
    joined = plan.compile_exec(process).with_seccomp(
        container.process.seccomp, container.process.seccomp_flags
    )
    return drive(
        lambda stdio: init.spawn_exec(
            joined, stdio, target=running.child.pidfd, namespaces=container.namespaces
        )
    )


def drive(spawn: Any) -> Running:
    stdin_read, stdin_write = os.pipe2(os.O_CLOEXEC)
    out_read, out_write = os.pipe2(os.O_CLOEXEC)
    child = None
    try:
        child = spawn((stdin_read, out_write, out_write))
        child.attached()
        child.wait_ready()
        child.start()
    except init.StepFailed:
        os.close(stdin_write)
        os.close(out_read)
        if child is not None:
            child.close()
            reap(child)
        raise
    finally:
        os.close(stdin_read)
        os.close(out_write)
    return Running(child, out_read, stdin_write)


def run(config: dict[str, Any], mounts: tuple[Mount, ...] = ()) -> tuple[int, str]:
    """Exit code and output of the container's program."""
    return start(config, mounts).finish()


def shell(root: Path, script: str) -> dict[str, Any]:
    """A config that runs a shell script."""
    return make_config(root, "sh", "-c", script)


def read_all(fd: int) -> str:
    """What is written until the end of file; a terminal without a user ends with EIO."""
    chunks = []
    deadline = time.monotonic() + DEADLINE
    while select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
        try:
            chunk = os.read(fd, 65536)
        except OSError:
            break
        if not chunk:
            break
        chunks.append(chunk)
    else:
        raise TimeoutError(f"no end of output after {DEADLINE} s: {b''.join(chunks)!r}")
    return b"".join(chunks).decode()


def reap(child: init.Child) -> int:
    """The exit code; the process is killed when it does not end by itself."""
    if not select.select([child.pidfd], [], [], DEADLINE)[0]:
        syscalls.pidfd_send_signal(child.pidfd, signal.SIGKILL)
    _, status = os.waitpid(child.pid, 0)
    os.close(child.pidfd)
    return syscalls.exit_status(status)[0]


def status_fields(text: str) -> dict[str, str]:
    """The lines of a /proc/PID/status."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in pairs}
