"""An OCI runtime's command line behind the launcher's interface, as far as it reaches.

The suites' tests are written for `engine.runtime.launcher`; this lets them run on runc, which
proves the tests, and on berth-runtime. What a monitor does beside the runtime (streams, log, exit
code) is done here in the plainest way: this process is the subreaper that containers become
children of, as containerd's shim is.
"""

import array
import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import errors
from engine.runtime import syscalls, terminal
from engine.runtime.cgroups import Manager, detect
from engine.runtime.handle import ExitRecord
from engine.runtime.launcher import CreateOptions

from .streams import Output, Stream

BOUND = 60.0
"""Seconds for one command: in a virtual machine without acceleration it can be slow."""

# What a runtime says, and which of the launcher's errors means the same. First match wins.
_WORDS: tuple[tuple[str, type[errors.EngineError]], ...] = (
    (r"create failed: (process|linux|mounts|root|hooks|hostname)[.\[:]", errors.InvalidArgument),
    (
        r"executable file not found|no such file or directory.*exec|exec.*no such file",
        errors.CommandNotFound,
    ),
    (r"permission denied|is a directory|exec format error", errors.CommandNotExecutable),
    (r"not running|process already finished|no such process|stopped", errors.NotRunning),
    (r"already exists|in use|is not stopped|already (started|running)|running", errors.Conflict),
    (r"does not exist", errors.NotFound),
)


@dataclass(frozen=True, slots=True)
class Runtime:
    """The command that is to be tested, and the words it is told apart by in test names."""

    name: str
    command: tuple[str, ...]


class OciLauncher:
    """Makes containers with `create`; see `engine.runtime.launcher.Launcher`."""

    def __init__(self, runtime: Runtime, directory: Path) -> None:
        self.runtime = runtime
        self._directory = directory
        self._calls = 0

    async def start(self) -> None:
        """Be the one whom orphans of the runtime's commands are given to."""
        self._directory.mkdir(parents=True, exist_ok=True)
        syscalls.set_child_subreaper()

    async def close(self) -> None:
        """Reap what containers in the host's pid namespace have left, as their shim would."""
        _reap_orphans()
        syscalls.set_child_subreaper(False)

    async def create(self, container_id: str, options: CreateOptions) -> "OciMonitor":
        """Run `create`; the streams of the command are those of the container."""
        fresh = not options.bundle.exists()
        _write_bundle(container_id, options)
        try:
            return await self._create(container_id, options)
        except BaseException:
            if fresh:
                shutil.rmtree(options.bundle)
            raise

    async def _create(self, container_id: str, options: CreateOptions) -> "OciMonitor":
        process = options.config.get("process") or {}
        with _streams(bool(process.get("terminal")), stdin=options.open_stdin) as streams:
            pid_file = options.bundle / "pid"
            command = ["create", "--bundle", str(options.bundle), "--pid-file", str(pid_file)]
            await self.run([*command, *streams.arguments, container_id], streams.child)
            streams.take_terminal()
            return OciMonitor(self, container_id, options, int(pid_file.read_text()), streams)

    async def run(self, arguments: Sequence[str], stdio: Sequence[int] = ()) -> str:
        """Run one command; returns what it wrote, unless `stdio` takes it.

        Raises the launcher's error for what the runtime says in its log.
        """
        return await asyncio.to_thread(self._run, list(arguments), tuple(stdio))

    def command(self, *words: str) -> list[str]:
        return [*self.runtime.command, "--root", str(self._directory / "state"), *words]

    def _run(self, arguments: list[str], stdio: tuple[int, ...]) -> str:
        self._calls += 1
        log = self._directory / f"log.{self._calls}"
        stdin, stdout, stderr = stdio or (subprocess.DEVNULL, subprocess.PIPE, subprocess.PIPE)
        done = subprocess.run(
            self.command("--log", str(log), *arguments),
            stdin=stdin, stdout=stdout, stderr=stderr, timeout=BOUND, check=False, text=True,
        )  # fmt: skip
        if done.returncode:
            raise _error(_last_words(log) or (done.stderr or "").strip() or f"{arguments}: failed")
        return done.stdout or ""


def _reap_orphans() -> None:
    for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            os.waitpid(int(pid), 0)


def _error(text: str) -> errors.EngineError:
    lower = text.lower()
    kind = next((kind for words, kind in _WORDS if re.search(words, lower)), errors.RuntimeFailure)
    return kind(text)


def _last_words(log: Path) -> str:
    """The messages of level error or fatal, of logrus's text form."""
    if not log.exists():
        return ""
    lines = [
        line for line in log.read_text().splitlines() if re.search("level=(error|fatal)", line)
    ]
    return "\n".join(line.partition("msg=")[2].strip('"').replace('\\"', '"') for line in lines)


def _write_bundle(container_id: str, options: CreateOptions) -> None:
    config = json.loads(json.dumps(options.config))
    config["linux"].setdefault("cgroupsPath", f"/{options.cgroup_parent.strip('/')}/{container_id}")
    options.bundle.mkdir(parents=True, exist_ok=True)
    (options.bundle / "config.json").write_text(json.dumps(config))
    options.log_path.parent.mkdir(parents=True, exist_ok=True)
    options.log_path.touch()


class _Streams:
    """Both ends of a process's streams; `child` goes to the command, the rest stays here."""

    def __init__(self, *, tty: bool, stdin: bool) -> None:
        self.child: tuple[int, ...] = ()
        self.outputs: list[tuple[int, int]] = []  # (1 or 2, what to read)
        self.input = -1
        self.master = -1
        self.arguments: tuple[str, ...] = ()
        self._listener: socket.socket | None = None
        self._directory = ""
        if tty:
            self._listen()
        else:
            self._pipes(stdin=stdin)

    def _pipes(self, *, stdin: bool) -> None:
        pairs = [os.pipe() for _ in range(2)]
        self.outputs = [(number, pair[0]) for number, pair in enumerate(pairs, 1)]
        if stdin:
            reading, self.input = os.pipe()
        else:
            reading = os.open("/dev/null", os.O_RDONLY)
        self.child = (reading, pairs[0][1], pairs[1][1])

    def _listen(self) -> None:
        """A socket in a directory of its own: its path must be shorter than a test's."""
        self._directory = tempfile.mkdtemp(prefix="console-")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{self._directory}/socket")
        self._listener.listen()
        self._listener.settimeout(BOUND)
        self.arguments = ("--console-socket", f"{self._directory}/socket")

    def take_terminal(self) -> None:
        """The master that the runtime has sent by now."""
        if self._listener is None:
            return
        connection, _ = self._listener.accept()
        with connection:
            _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
        self.master = self.input = array.array("i", ancillary[0][2])[0]
        self.outputs = [(1, self.master)]

    def close_child(self) -> None:
        for fd in self.child:
            os.close(fd)
        if self._listener is not None:
            self._listener.close()
            shutil.rmtree(self._directory)

    def close_own(self) -> None:
        for fd in {self.input, *(fd for _, fd in self.outputs)} - {-1}:
            os.close(fd)


@contextmanager
def _streams(tty: bool, *, stdin: bool) -> Iterator[_Streams]:
    """Streams whose own ends are closed when what is done with them fails."""
    streams = _Streams(tty=tty, stdin=stdin)
    try:
        yield streams
    except BaseException:
        streams.close_own()
        raise
    finally:
        streams.close_child()


class _Process:
    """A child by way of the subreaper: its output, and its end."""

    def __init__(self, pid: int, streams: _Streams, log: Path | None) -> None:
        self.pid = pid
        self.output = Output(streams.outputs, streams.input, log)
        self.master = streams.master
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = loop.create_future()
        self._pidfd = os.pidfd_open(pid)
        loop.add_reader(self._pidfd, self._reap)

    def _reap(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        _, status = os.waitpid(self.pid, 0)
        self.output.drain()
        self.ended.set_result(status)

    def resize(self, height: int, width: int) -> None:
        if self.master >= 0:
            terminal.resize(self.master, height, width)

    async def status(self) -> int:
        return await asyncio.shield(self.ended)


class OciExec:
    """See `engine.runtime.launcher.ExecSession`."""

    def __init__(self, exec_id: str, process: _Process, stream: Stream) -> None:
        self.id = exec_id
        self.pid = process.pid
        self.stream = stream
        self._process = process

    async def resize(self, height: int, width: int) -> None:
        self._process.resize(height, width)

    async def kill(self, signal: int) -> None:
        os.kill(self.pid, signal)

    async def wait(self) -> int:
        return syscalls.exit_status(await self._process.status())[0]


class OciMonitor:
    """See `engine.runtime.launcher.Monitor`; there is no monitor process."""

    def __init__(
        self,
        launcher: OciLauncher,
        container_id: str,
        options: CreateOptions,
        pid: int,
        streams: _Streams,
    ) -> None:
        self.id = container_id
        self.pid = self.monitor_pid = pid
        self.cgroup = f"{options.cgroup_parent.strip('/')}/{container_id}"
        self._launcher = launcher
        self._options = options
        self._process = _Process(pid, streams, options.log_path)
        self._execs: list[_Process] = []
        self._started_at = 0
        self._followers: list[asyncio.Task[None]] = []

    async def state(self) -> dict[str, Any]:
        return dict(json.loads(await self._launcher.run(["state", self.id])))

    async def start(self) -> None:
        self._started_at = time.time_ns()
        await self._launcher.run(["start", self.id])

    async def kill(self, signal: int) -> None:
        await self._launcher.run(["kill", self.id, str(int(signal))])

    async def stats(self) -> dict[str, Any]:
        """What `events --stats` says of its use of resources."""
        said = await self._launcher.run(["events", "--stats", self.id])
        return dict(json.loads(said)["data"])

    async def follow(self, tell: Callable[[str], None]) -> None:
        """Have `tell` called with every line of `events`, until the container ends."""
        command = self._launcher.command("events", "--interval", "200ms", self.id)
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        self._followers.append(asyncio.create_task(_pass_on(process, tell)))

    async def pause(self) -> None:
        await self._launcher.run(["pause", self.id])

    async def resume(self) -> None:
        await self._launcher.run(["resume", self.id])

    async def resize(self, height: int, width: int) -> None:
        self._process.resize(height, width)

    async def update(self, resources: dict[str, Any]) -> list[str]:
        path = self._options.bundle / "resources.json"
        path.write_text(json.dumps(resources))
        await self._launcher.run(["update", "--resources", str(path), self.id])
        return []

    async def attach(self, *, stdin: bool, stdout: bool, stderr: bool) -> Stream:
        wanted = {number for number, on in ((1, stdout), (2, stderr)) if on}
        once = stdin and self._options.stdin_once
        return self._process.output.attach(wanted, ends_input=once)

    async def exec(self, exec_id: str, process: dict[str, Any], *, stdin: bool) -> OciExec:
        path = self._options.bundle / f"{exec_id}.json"
        path.write_text(json.dumps(process))
        pid_file = path.with_suffix(".pid")
        command = ["exec", "--detach", "--process", str(path), "--pid-file", str(pid_file)]
        with _streams(bool(process.get("terminal")), stdin=stdin) as streams:
            await self._launcher.run([*command, *streams.arguments, self.id], streams.child)
            streams.take_terminal()
            made = _Process(int(pid_file.read_text()), streams, None)
        self._execs.append(made)
        return OciExec(exec_id, made, made.output.attach({1, 2}, ends_input=True))

    async def wait(self) -> ExitRecord:
        status = await self._process.status()
        code, signal = syscalls.exit_status(status)
        killed = signal == 9 and self._oom_kills() > 0
        return ExitRecord(code, signal, killed, self._started_at, time.time_ns())

    def _oom_kills(self) -> int:
        group = Manager(detect(), self.cgroup)
        return (group.oom_kills() or 0) if group.exists() else 0

    async def delete(self) -> None:
        """Raises NotFound the second time, as the OCI runtime specification asks."""
        await self._launcher.run(["delete", self.id])
        await self._process.status()
        for each in self._execs:
            await each.status()
        shutil.rmtree(self._options.bundle)

    async def force(self) -> None:
        """What is left running of it ends, too."""
        await self._launcher.run(["delete", "--force", self.id])

    async def discard(self) -> None:
        """Whatever is left of it goes; at the end of a test."""
        with suppress(errors.NotFound):
            await self._launcher.run(["delete", "--force", self.id])
        for each in (self._process, *self._execs):
            await each.status()
            each.output.close()
        for follower in self._followers:
            await asyncio.wait_for(follower, BOUND)
        shutil.rmtree(self._options.bundle, ignore_errors=True)


async def _pass_on(process: asyncio.subprocess.Process, tell: Callable[[str], None]) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        tell(line.decode())
    await process.wait()
