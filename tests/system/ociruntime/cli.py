"""One runtime's command line, berth-runtime's or runc's, as tests use it."""

import array
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import eventually

BERTH = str(Path(sys.executable).with_name("berth-runtime"))
CGROUP_PARENT = f"berth-ocicli-{os.getpid()}"
LOOP = ("sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.02; done")

Done = subprocess.CompletedProcess[str]


class Cli:
    """One runtime with a root directory and bundles of its own."""

    def __init__(self, name: str, folder: Path, rootfs: Path) -> None:
        self.name = name
        self.folder = folder
        self.root = folder / "state"
        self.rootfs = rootfs
        self.program = BERTH if name == "berth" else "runc"

    def __call__(self, *words: str, **options: Any) -> Done:
        command = [self.program, "--root", str(self.root), *words]
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("timeout", 60)
        return subprocess.run(command, capture_output=True, text=True, check=False, **options)

    def well(self, *words: str, **options: Any) -> str:
        done = self(*words, **options)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return str(done.stdout)

    def detached(self, *words: str) -> Done:
        """A call whose container keeps its streams: pipes would never end."""
        command = [self.program, "--root", str(self.root), *words]
        null = subprocess.DEVNULL
        with (self.folder / "stderr").open("w+") as errors:
            done = subprocess.run(
                command, stdin=null, stdout=null, stderr=errors, timeout=60, check=False, text=True
            )
            errors.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, "", errors.read())

    def bundle(self, name: str, *args: str, change: Callable[[Any], None] | None = None) -> str:
        """A bundle with runc's own starter configuration, its program replaced."""
        directory = self.folder / f"bundle-{name}"
        directory.mkdir()
        subprocess.run(["runc", "spec", "--bundle", str(directory)], check=True)
        config = json.loads((directory / "config.json").read_text())
        config["process"] |= {"terminal": False, "args": list(args)}
        config["root"]["path"] = str(self.rootfs)
        config["linux"]["cgroupsPath"] = f"/{CGROUP_PARENT}/{self.name}-{name}"
        if change is not None:
            change(config)
        (directory / "config.json").write_text(json.dumps(config))
        return str(directory)

    def create(self, name: str, *args: str, change: Callable[[Any], None] | None = None) -> Done:
        return self.detached("create", "--bundle", self.bundle(name, *args, change=change), name)

    def run(self, name: str, *args: str, change: Callable[[Any], None] | None = None) -> None:
        bundle = self.bundle(name, *args, change=change)
        done = self.detached("run", "--detach", "--bundle", bundle, name)
        assert done.returncode == 0, done.stderr

    def state(self, name: str) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.well("state", name))
        return state

    def becomes(self, name: str, status: str) -> None:
        eventually(lambda: self.state(name)["status"] == status, what=f"{name} is {status}")


def reap() -> None:
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                return
        except ChildProcessError:
            return


def cgroups_of(cli: Cli, name: str) -> list[Path]:
    base, path = Path("/sys/fs/cgroup"), f"{CGROUP_PARENT}/{cli.name}-{name}"
    return [place / path for place in (base, *base.iterdir()) if (place / path).is_dir()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids_of(cli: Cli, name: str) -> list[int]:
    return json.loads(cli.well("ps", "--format", "json", name)) or []


class ConsoleSocket:
    """The listener that an engine has: it is sent the terminal."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.bind(self.path)
        self._socket.listen()

    def master(self) -> int:
        connection, _ = self._socket.accept()
        with connection:
            rights = connection.recvmsg(4096, socket.CMSG_SPACE(4))[1]
        fds = array.array("i")
        fds.frombytes(rights[0][2])
        return int(fds[0])

    def close(self) -> None:
        self._socket.close()
