"""One virtual machine from its boot to its power-off: qemu without KVM, and virtiofsd for files."""

import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.cgroup2 import initramfs
from tests.cgroup2.kernel import Kernel

_GUEST = Path(__file__).with_name("guest")
MEMORY = "2G"
_VIRTIOFSD = ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd")
_BOUND_S = 10.0
_COMMAND_LINE = (
    "console=ttyS0 quiet loglevel=2 panic=-1 rdinit=/init cgroup_no_v1=all mitigations=off nokaslr "
    "random.trust_cpu=on no_timer_check tsc=reliable "
    "systemd.show_status=false"
)


class Machine:
    """A machine with the host's files, which runs one command and powers off.

    `directory` is shared with it for writing. What it prints goes to `echo`, line by line.
    """

    def __init__(self, kernel: Kernel, directory: Path, echo: Callable[[str], None]) -> None:
        self._kernel = kernel
        self._directory = directory
        self._shared = directory / "out"
        self._echo = echo

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], *, bound: float
    ) -> int | None:
        """The command's exit code; None when there is none at the deadline (seconds).

        Nothing of the machine runs any more when this returns or raises.
        """
        self._prepare(command, environment)
        with ExitStack() as stack:
            host = stack.enter_context(self._files("host", Path("/")))
            out = stack.enter_context(self._files("out", self._shared))
            qemu = stack.enter_context(_process(self._qemu(host, out), output=True))
            self._follow(qemu, time.monotonic() + bound)
        code = self._shared / "code"
        return int(code.read_text()) if code.exists() else None

    def _prepare(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        shutil.copytree(_GUEST, self._shared)
        modules = self._kernel.in_order(initramfs.MODULES)
        initramfs.build(modules, self._directory / "initramfs")
        words = {**environment, "COMMAND": shlex.join(command)}
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in words.items()]
        (self._shared / "environment").write_text("".join(lines))

    @contextmanager
    def _files(self, name: str, source: Path) -> Iterator[Path]:
        """Serve a directory to the machine; yields the socket."""
        socket = self._directory / f"{name}.socket"
        options = f"source={source},sandbox=chroot,cache={'always' if name == 'host' else 'auto'}"
        log = self._directory / f"{name}.log"
        command = [_virtiofsd(), f"--socket-path={socket}", "-o", options]
        with _process([*command, "--thread-pool-size=0"], log=log) as server:
            deadline = time.monotonic() + _BOUND_S
            while not socket.exists():
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"virtiofsd does not serve {source}: {log.read_text()}")
                time.sleep(0.02)
            yield socket

    def _qemu(self, host: Path, out: Path) -> list[str]:
        shares = []
        for tag, socket in (("host", host), ("out", out)):
            shares += ["-chardev", f"socket,id={tag},path={socket}"]
            shares += ["-device", f"vhost-user-fs-pci,chardev={tag},tag={tag},queue-size=1024"]
        return [
            *("qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi,tb-size=512"),
            *("-cpu", "max", "-smp", "2", "-m", MEMORY),
            *("-object", f"memory-backend-memfd,id=memory,size={MEMORY},share=on"),
            *("-numa", "node,memdev=memory"),
            *("-kernel", str(self._kernel.image), "-append", f"{_COMMAND_LINE} {_clock()}"),
            *("-initrd", str(self._directory / "initramfs")),
            *shares,
            *("-object", "rng-random,id=rng,filename=/dev/urandom"),
            *("-device", "virtio-rng-pci,rng=rng"),
            *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
            *("-serial", "stdio"),
        ]

    def _follow(self, qemu: "subprocess.Popen[bytes]", deadline: float) -> None:
        """Pass on what the machine prints until it powers off, or until the deadline."""
        assert qemu.stdout is not None
        pending = b""
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([qemu.stdout], [], [], left)[0]:
                break
            data = os.read(qemu.stdout.fileno(), 65536)
            if not data:
                return
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                self._echo(line.decode(errors="replace").rstrip("\r"))
        self._echo("cgroup2: the machine was not done in time and is stopped")


def _clock() -> str:
    """The speed of the processor's counter, which the machine sees as it is.

    The kernel would measure it at its boot, on a busy host so wrongly that its time runs several
    times too fast.
    """
    match = re.search(r"^cpu MHz\s*: ([\d.]+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return f"tsc_early_khz={float(match[1]) * 1000:.0f}" if match else ""


def _virtiofsd() -> str:
    for path in _VIRTIOFSD:
        if os.access(path, os.X_OK):
            return path
    raise RuntimeError("virtiofsd is not installed: run scripts/test-packages")


@contextmanager
def _process(
    command: Sequence[str], *, output: bool = False, log: Path | None = None
) -> "Iterator[subprocess.Popen[bytes]]":
    """A process that has ended when the block is left, whatever happens in it."""
    with ExitStack() as stack:
        errors = stack.enter_context(log.open("wb")) if log else None
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if output else errors,
            stderr=errors,
            start_new_session=True,
        )
        stack.callback(_end, process)
        yield process


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ask it to end, then insist; virtiofsd has a child that ends with it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_BOUND_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
