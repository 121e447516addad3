"""A user without root on a machine of its own making: a mount namespace with other /etc and /dev.

The host's users, sub-ids and devices stay as they are.
"""

import itertools
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.conftest import SLOWDOWN, eventually
from tests.system.daemons import ROOT, is_removed

IMAGE = "bb:1"
TRAP = "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done"

COUNT = 65536
NAME = "berth-nobody"
SOURCES = (Path(sys.base_prefix), Path(sys.prefix), ROOT)


class Unprivileged:
    """Runs commands as the user; `folder` holds its home and its run directory.

    Args:
        sub_ids: whether /etc/subuid and /etc/subgid give it ids.
        without: programs that its machine lacks.
        stacked: its home is an overlay, on which the kernel makes no other.
        covered: parts of its /proc are masked, as in a container.
    """

    _made = itertools.count()
    engine = (sys.executable, "-m", "engine")

    def __init__(
        self,
        *,
        sub_ids: bool = True,
        without: Iterable[str] = (),
        stacked: bool = False,
        covered: bool = False,
    ) -> None:
        number = next(self._made)
        self.uid, self.first = 54321 + number, 6_000_000 + number * COUNT
        ranges = f"{self.uid}:{self.first}:{COUNT}" if sub_ids else "somebody:1:1"
        self.cgroup: Path | None = None
        """A cgroup in which commands are started, as a login's would be."""
        self.folder = Path(tempfile.mkdtemp(prefix="berth-user-"))
        self.folder.chmod(0o755)
        self.home, self.runtime = self._own("home"), self._own("run")
        lines = _script(self.folder, self.uid, ranges, without, stacked)
        lines[:0] = ["mount --bind /dev/null /proc/interrupts"] if covered else []
        script = "\n".join(lines)
        self._machine = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._machine.stdout is not None
        assert self._machine.stdout.readline() == b"ready\n"

    def _own(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(mode=0o700)
        os.chown(path, self.uid, self.uid)
        return path

    @property
    def socket(self) -> Path:
        return self.runtime / "berth" / "berth.sock"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "DOCKER_HOST": f"unix://{self.socket}",
            "PYTHONPATH": str(ROOT),
        }

    def command(self, *command: str) -> list[str]:
        """What root runs for the user to run `command`."""
        return [
            *("nsenter", f"--mount=/proc/{self._machine.pid}/ns/mnt", "--"),
            *("setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", "--"),
            *command,
        ]

    def run(
        self, *command: str, input: bytes | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self._enter_cgroup(), *self.command(*command)],
            env=self.environment,
            cwd="/",
            input=input or b"",
            capture_output=True,
            timeout=60 * SLOWDOWN,
            check=False,
        )
        texts = (done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        if check and done.returncode != 0:
            raise AssertionError(f"{command} → {done.returncode}: {texts[1]}{texts[0]}")
        return subprocess.CompletedProcess(done.args, done.returncode, *texts)

    def _enter_cgroup(self) -> tuple[str, ...]:
        if self.cgroup is None:
            return ()
        return ("sh", "-ec", 'echo $$ >"$0"; exec "$@"', str(self.cgroup / "cgroup.procs"))

    def delegate(self, mount_point: Path) -> Path:
        """Give the user a cgroup below a mount of cgroup v2, as an administrator would."""
        self.cgroup = mount_point / self.folder.name
        self.cgroup.mkdir()
        given = ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads")
        for path in (self.cgroup, *(self.cgroup / name for name in given)):
            os.chown(path, self.uid, self.uid)
        return self.cgroup

    def berth(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run(*self.engine, *words, check=check)

    def docker(
        self, *words: str, input: bytes | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        return self.run("docker", *words, input=input, check=check)

    def processes(self) -> dict[int, str]:
        """What runs as this user or with one of its sub-ids: command lines by pid."""
        found = {}
        for path in Path("/proc").iterdir():
            if path.name.isdecimal() and (line := self._owned(path)) is not None:
                found[int(path.name)] = line
        return found

    def _owned(self, path: Path) -> str | None:
        try:
            status = (path / "status").read_text()
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = dict(row.split(":\t", 1) for row in status.splitlines() if ":\t" in row)
        uid = int(fields["Uid"].split()[0])
        mine = uid == self.uid or self.first <= uid < self.first + COUNT
        return None if fields["State"][0] in "ZX" or not mine else line or fields["Name"]

    def pid_of(self, word: str) -> int:
        return next((pid for pid, line in self.processes().items() if word in line), 0)

    def close(self) -> None:
        """Ends what still runs, and removes every file."""
        try:
            for pid in self.processes():
                _kill(pid)
            eventually(lambda: not self.processes(), what="the user's processes are gone")
        finally:
            self._machine.communicate()
            if self.cgroup is not None:
                _remove_cgroups(self.cgroup)
            shutil.rmtree(self.folder, ignore_errors=True)


def _remove_cgroups(top: Path) -> None:
    """A cgroup whose last process has just been reaped is busy for a moment."""
    for path in (*sorted(top.rglob("*/"), reverse=True), top):
        if path.is_dir():
            eventually(lambda path=path: is_removed(path), what=f"{path} is removed")


def _kill(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return  # it was faster


def _script(
    folder: Path, uid: int, ranges: str, without: Iterable[str], stacked: bool
) -> list[str]:
    return [
        *_etc(folder / "etc"),
        f"echo {NAME}:x:{uid}:{uid}::{folder}/home:/bin/sh >>/etc/passwd",
        f"echo {ranges} >/etc/subuid",
        f"echo {ranges} >/etc/subgid",
        *_devices(folder / "dev"),
        *_reachable(folder / "sources"),
        *(f"mount --bind /dev/null {shutil.which(program) or '/dev/null'}" for program in without),
        *(_stack(folder, uid) if stacked else ()),
        "echo ready",
        "exec cat >/dev/null",
    ]


def _stack(folder: Path, uid: int) -> list[str]:
    places = {name: folder / f"stack-{name}" for name in ("lower", "upper", "work")}
    options = ",".join(f"{name}dir={path}" for name, path in places.items())
    return [
        f"mkdir {' '.join(map(str, places.values()))}",
        f"mount -t overlay -o {options} overlay {folder}/home",
        f"chown {uid}:{uid} {folder}/home",
    ]


def _etc(place: Path) -> list[str]:
    """A copy that hides the host's."""
    return [f"cp -a /etc {place}", f"mount --bind {place} /etc"]


def _devices(place: Path) -> list[str]:
    """What udev gives everybody: some minimal machines let root alone open it."""
    nodes = {"tun": ("/dev/net/tun", 10, 200), "fuse": ("/dev/fuse", 10, 229)}
    lines = [f"mkdir {place}", f"mount -t tmpfs -o mode=755 dev {place}"]
    for name, (target, major, minor) in nodes.items():
        lines.append(f"mknod -m 666 {place}/{name} c {major} {minor}")
        lines.append(f"[ ! -e {target} ] || mount --bind {place}/{name} {target}")
    return lines


def _reachable(place: Path) -> list[str]:
    """Interpreter and source may lie in root's home, where nobody else may go."""
    closed = {gate for source in SOURCES for gate in source.parents if not gate.stat().st_mode & 1}
    tops = [gate for gate in closed if not closed.intersection(gate.parents)]
    inside = [s for s in dict.fromkeys(SOURCES) if any(gate in s.parents for gate in tops)]
    lines = [f"mkdir -p {place}"]
    for number, source in enumerate(inside):
        lines += [
            f"mkdir {place}/{number}",
            f"mount --bind {shlex.quote(str(source))} {place}/{number}",
        ]
    lines += [f"mount -t tmpfs -o mode=755 open {shlex.quote(str(gate))}" for gate in tops]
    for number, source in enumerate(inside):
        quoted = shlex.quote(str(source))
        lines += [f"mkdir -p {quoted}", f"mount --bind {place}/{number} {quoted}"]
    return lines


def pid_of(user: Unprivileged, name: str) -> int:
    state = json.loads(user.docker("inspect", "-f", "{{json .State}}", name).stdout)
    assert state["Running"], state
    return int(state["Pid"])


def owner(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Uid:")).split()[1])
