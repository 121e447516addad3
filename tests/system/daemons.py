"""The two daemons that one docker CLI drives in the system tests: berth's engine and dockerd."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from tests import slow_engine
from tests.conftest import SLOWDOWN, eventually

ROOT = Path(__file__).resolve().parents[2]
CGROUP_PARENT = f"berth-system-{os.getpid()}"
APPLETS = (
    "sh cat echo ls id ps env hostname mount umount sleep true false yes head tail dd wc stty tty "
    "kill touch mkdir rm ln stat test printf seq md5sum nproc uname grep awk cut sort od mknod "
    "nohup setsid trap whoami pwd ip find df free chroot unshare readlink chmod chown date vi sync"
).split()

_made = itertools.count(1)


@dataclass
class Daemon:
    """One running daemon with its scratch folder; `docker` talks to it."""

    kind: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    parent: str = field(default_factory=lambda: f"{CGROUP_PARENT}-{next(_made)}")
    """The cgroup of its containers alone: it is removed with the daemon."""

    @property
    def socket(self) -> Path:
        return (
            self.folder / "run" / "berth.sock" if self.kind == "berth" else self.folder / "d.sock"
        )

    @property
    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(self.folder / "client"),
            "BERTH_DATA_DIR": str(self.folder / "data"),
            "BERTH_RUN_DIR": str(self.folder / "run"),
            **self.environment,
        }

    def command(self) -> list[str]:
        if self.kind == "berth":
            return [*slow_engine.COMMAND, "run", "--cgroup-parent", self.parent]
        options = {
            "--data-root": self.folder / "data",
            "--exec-root": self.folder / "exec",
            "--pidfile": self.folder / "pid",
            "--host": f"unix://{self.socket}",
            "--bridge": "none",
            "--iptables": "false",
            "--ip6tables": "false",
            "--cgroup-parent": f"/{self.parent}",
        }
        return ["dockerd", *(f"{name}={value}" for name, value in options.items())]

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        log = (self.folder / "daemon.log").open("ab")
        self.process = subprocess.Popen(
            self.command(),
            env=self.env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        eventually(self.answers, seconds=30, what=f"{self.kind} answers on {self.socket}")

    def answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.kind} ended: {self.log()[-3000:]}")
        return self.docker("version", check=False).returncode == 0

    def log(self) -> str:
        return (self.folder / "daemon.log").read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL, as when the machine's OOM killer picks the daemon."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def second(self, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Another one that shares with this what `options` and `environment` do not change.

        It is expected to end by itself.
        """
        return subprocess.run(
            [*self.command(), *options],
            env={**self.env, **environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def stop(self) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20 * SLOWDOWN)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)

    def close(self) -> None:
        """Remove every container, end the daemon, remove what it kept."""
        try:
            ids = self.docker("ps", "-aq", check=False).stdout.split()
            if ids:
                self.docker("rm", "-f", *ids, check=False)
        finally:
            self.stop()
            unmount_below(self.folder)
            shutil.rmtree(self.folder, ignore_errors=True)
            remove_cgroups(self.parent)

    def docker(
        self, *args: str, input: bytes | None = None, timeout: float = 60, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run the real docker CLI; output is text, trailing white space kept."""
        done = subprocess.run(
            ["docker", *args],
            env=self.env,
            input=input,
            capture_output=True,
            timeout=timeout,
            check=False,
            **({} if input is not None else {"stdin": subprocess.DEVNULL}),
        )
        answer = subprocess.CompletedProcess(
            done.args,
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
        )
        if check and answer.returncode != 0:
            raise AssertionError(
                f"docker {' '.join(args)} → {answer.returncode}: {answer.stderr}{answer.stdout}"
            )
        return answer

    def inspect(self, name: str) -> Any:
        return json.loads(self.docker("inspect", name).stdout)[0]

    def state(self, name: str) -> dict[str, Any]:
        state: dict[str, Any] = self.inspect(name)["State"]
        return state

    def wait_for(self, name: str, status: str, seconds: float = 10) -> dict[str, Any]:
        """Wait until the container's status is `status`; return its state."""
        return eventually(
            lambda: ((state := self.state(name))["Status"] == status and state) or None,
            seconds=seconds,
            what=f"{name} is {status}",
        )


@contextmanager
def serving(daemon: Daemon, image: str) -> Iterator[Daemon]:
    """It answers and has an image of busybox; afterwards nothing of it is left."""
    try:
        daemon.start()
        daemon.docker("import", "-", image, input=busybox_rootfs())
        yield daemon
    finally:
        daemon.close()


def unmount_below(folder: Path) -> None:
    """dockerd leaves its host network namespace mounted when it ends."""
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        target = line.split()[4]
        if target.startswith(f"{folder}/"):
            subprocess.run(["umount", "-l", target], check=False)


def remove_cgroups(parent: str) -> None:
    """Remove the empty cgroups that an engine of a test had its containers in.

    What was ready for the next container ends with the engine, and takes its cgroups along.
    """
    left = [*Path("/sys/fs/cgroup").glob(f"*/{parent}"), Path("/sys/fs/cgroup", parent)]
    deadline = time.monotonic() + 5.0
    while left and time.monotonic() < deadline:
        left = [path for path in left if not is_removed(path)]
        time.sleep(0.02)


def is_removed(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # in use still
        return False
    return True


def busybox_rootfs() -> bytes:
    """A tar of a root file system made of Debian's busybox-static."""
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("bin", "etc", "tmp", "root", "var", "proc", "sys", "dev", "usr", "home"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(entry)
        tar.add("/bin/busybox", "bin/busybox")
        for applet in APPLETS:
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
        add_file(
            tar, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:1234:5678::/home:/bin/sh\n"
        )
        add_file(tar, "etc/group", "root:x:0:\nwebs:x:5678:\nextra:x:4321:web\n")
        add_file(tar, "bin/not-a-program", "no interpreter here\n", mode=0o755)
        add_file(tar, "etc/plain", "plain\n")
    return buffer.getvalue()


def add_file(tar: tarfile.TarFile, name: str, text: str, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text), mode
    tar.addfile(entry, BytesIO(text.encode()))
