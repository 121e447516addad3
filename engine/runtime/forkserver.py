"""The engine's handle on its zygote: spawned when needed, and again when it died."""

import array
import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from engine.errors import RuntimeFailure
from engine.runtime.interpreter import read_only_clone

READY_BOUND = 20.0
SEND_BOUND = 10.0
END_BOUND = 8.0
SPAWNS = 4
"""Times one is spawned, while they are killed, for one that is needed."""

_ROOT = str(Path(__file__).resolve().parents[2])
_BOOT = (
    "import os, sys; sys.path.insert(0, sys.argv[1]); "
    "[os.close(int(fd)) for fd in sys.argv[2].split()]; "
    "from engine.runtime.zygote.server import main; main()"
)
ALONE, ONE_OF_MANY = b"alone", b"one of many"
"""What the zygote is told with each request for a monitor."""

_LEAN = ("-I", "-S", "-OO", "-X", "no_debug_ranges")
"""Nothing of the environment; neither docstrings nor columns, which every monitor would hold."""

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    # Fixed thresholds give the buffers of a burst of output, or of a large plan, back at once.
    "MALLOC_MMAP_THRESHOLD_": "32768",
    "MALLOC_TRIM_THRESHOLD_": "16384",
    "MALLOC_TOP_PAD_": "0",
    "MALLOC_ARENA_MAX": "1",
}


class ForkServer:
    """One zygote process; `log_path` takes what it says on stderr.

    Containers are made ready ahead in the cgroup `cgroup_parent`.
    """

    def __init__(self, log_path: Path, cgroup_parent: str) -> None:
        self._log_path = log_path
        self._cgroup_parent = cgroup_parent
        self._socket: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The zygote's pid while it lives."""
        return self._process.pid if self._process is not None else None

    async def ensure(self) -> None:
        """Have a zygote that answers; spawns one when there is none or the last one died."""
        async with self._lock:
            for more in range(SPAWNS, 0, -1):
                if self._socket is not None:
                    return
                try:
                    await self._spawn()
                except RuntimeFailure:
                    if more == 1 or not await self._was_killed():
                        raise

    async def _was_killed(self) -> bool:
        """Whether the zygote was well, and somebody's SIGKILL has ended it: another may come up."""
        process = self._process
        if process is None:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(END_BOUND):
                await process.wait()
        return process.returncode == -signal.SIGKILL

    async def fork(self, connection: socket.socket, *, alone: bool = True) -> None:
        """Have a monitor forked that serves `connection` (still the caller's to close).

        `alone`: no other is wanted right now, so that the next can be made ahead soon.

        Raises:
            RuntimeFailure: no zygote can be had.
        """
        for _ in range(2):
            await self.ensure()
            if await self._send(connection, ALONE if alone else ONE_OF_MANY):
                return
            await self.close()
        raise RuntimeFailure("the zygote dies as soon as it is started; see its log")

    async def close(self) -> None:
        """End the zygote; its monitors go on."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        process, self._process = self._process, None
        if process is not None:
            await _end(process)

    async def _send(self, connection: socket.socket, kind: bytes) -> bool:
        """Whether the zygote has taken the request."""
        rights = array.array("i", [connection.fileno()])
        deadline = asyncio.get_running_loop().time() + SEND_BOUND
        while self._socket is not None:
            try:
                self._socket.sendmsg([kind], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            except BlockingIOError:
                if asyncio.get_running_loop().time() > deadline:
                    return False
                await asyncio.sleep(0.002)
            except OSError:
                return False
            else:
                return True
        return False

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            try:
                self._process = await self._execute(theirs)
            finally:
                theirs.close()  # so that a zygote that dies at once is seen to
            await _wait_ready(ours)
        except BaseException:
            ours.close()
            raise
        self._socket = ours
        asyncio.get_running_loop().add_reader(ours, self._died, ours)

    async def _execute(self, end: socket.socket) -> asyncio.subprocess.Process:
        program = read_only_clone(os.path.realpath(sys.executable))
        try:
            if program is not None:
                with suppress(OSError):  # not executable that way, or no /proc: the plain one is
                    return await self._run(end, program)
            return await self._run(end, None)
        finally:
            if program is not None:
                os.close(program)

    async def _run(self, end: socket.socket, program: int | None) -> asyncio.subprocess.Process:
        log = os.open(self._log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        extra = () if program is None else (program,)
        try:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, *_LEAN, "-c", _BOOT, _ROOT, " ".join(map(str, extra))),
                *(self._cgroup_parent, str(end.fileno())),
                executable=None if program is None else f"/proc/self/fd/{program}",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                pass_fds=(end.fileno(), *extra),
                env=_ENVIRONMENT,
                start_new_session=True,
            )
        finally:
            os.close(log)

    def _died(self, ours: socket.socket) -> None:
        """The zygote's end was closed: the next fork spawns another."""
        asyncio.get_running_loop().remove_reader(ours)
        ours.close()
        if self._socket is ours:
            self._socket = None


async def _wait_ready(ours: socket.socket) -> None:
    try:
        async with asyncio.timeout(READY_BOUND):
            if not await asyncio.get_running_loop().sock_recv(ours, 64):
                raise RuntimeFailure("the zygote ended before it was ready; see its log")
    except TimeoutError as error:
        raise RuntimeFailure(f"the zygote was not ready within {READY_BOUND:.0f} s") from error
    except ConnectionError as error:
        raise RuntimeFailure("the zygote ended before it was ready; see its log") from error


async def _end(process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(END_BOUND):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
