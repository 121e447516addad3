"""The way out of a rootless engine's network namespace: slirp4netns(1) or pasta(1).

Neither publishes ports, and neither lets what is inside reach what listens on the host's loopback.
"""

import os
import select
import time

from engine.daemon.rootless.inside import inhabitants
from engine.daemon.rootless.programs import FIRST_PASSED, Failed, spawn
from engine.runtime import signals

SLIRP, PASTA, NONE = "slirp4netns", "pasta", ""
PROGRAMS = (SLIRP, PASTA)

NAMESERVERS = {SLIRP: "10.0.2.3", PASTA: "169.254.1.1"}
"""The address at which each forwards questions to the host's own name server."""

_CHATTER = ("WARNING", "*", "sent ", "received ", "Starting ")
_WORDS = 3
"""Last lines of a helper that are told."""

END_BOUND_MS = 3000
RESTART_BOUND = 5.0
"""A helper that dies within so many seconds after its start is not started again."""


class Network:
    """One helper process. `failure` says why there is none although one was wanted."""

    def __init__(self, run_dir: str, name: str, namespaces: dict[str, int]) -> None:
        self.name = name if "net" in namespaces else NONE
        self.failure = ""
        self._log = f"{run_dir}/network.log"
        self._pid_file = f"{run_dir}/network.pid"
        self._namespaces = namespaces
        self._process = self._life = -1
        self._started = 0.0

    def descriptors(self) -> tuple[int, ...]:
        """A pidfd that turns readable when the helper has died."""
        return () if self._process < 0 else (self._process,)

    def start(self) -> None:
        """Have it running and configured; or `failure`."""
        if not self.name:
            return
        self._started = time.monotonic()
        try:
            pid = self._slirp() if self.name == SLIRP else self._pasta()
            self._process = signals.pidfd_open(pid)
            self.failure = ""
        except (Failed, OSError) as error:
            self.failure = str(error)

    def died(self) -> None:
        """Start it again, unless it dies all the time."""
        self._forget()
        if time.monotonic() - self._started > RESTART_BOUND:
            self.start()
        else:
            self.failure = f"{self.name} died: {self._last_words()}"

    def stop(self) -> None:
        if self._process >= 0:
            try:  # noqa: SIM105 (the keeper does without contextlib)
                signals.pidfd_send_signal(self._process, signals.SIGTERM)
            except ProcessLookupError:
                pass  # it has just died by itself
            self._forget()

    def _forget(self) -> None:
        for fd in (self._process, self._life):
            if fd >= 0:
                os.close(fd)
        self._process = self._life = -1
        try:  # noqa: SIM105 (as above)
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            pass  # pasta, which has made itself a daemon

    def _open_log(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(self._log, flags, 0o600)

    def _slirp(self) -> int:
        """It ends with the keeper, whose end of a pipe it watches."""
        ready, theirs = os.pipe()
        exit_reader, self._life = os.pipe()
        log = self._open_log()
        try:
            words = [*_slirp_words(), str(self._someone_inside()), "tap0"]
            pid = spawn(words, [theirs, exit_reader], log)
        finally:
            for fd in (theirs, exit_reader, log):
                os.close(fd)
        with open(ready, "rb") as file:
            if file.read(1):
                return pid
        os.waitpid(pid, 0)
        raise Failed(f"slirp4netns: {self._last_words()}")

    def _someone_inside(self) -> int:
        """slirp4netns wants a process; a namespace's path it does not take in its sandbox."""
        found = inhabitants(self._namespaces["net"], "net")
        if not found:
            raise Failed("slirp4netns: nobody is left in its network")
        return found[0]

    def _pasta(self) -> int:
        """It goes to the background when it is ready, and would outlive a keeper that is killed."""
        self._end_stale()
        log = self._open_log()
        passed = [self._namespaces["user"], self._namespaces["net"]]
        try:
            pid = spawn([*_pasta_words(), "--pid", self._pid_file], passed, log)
        finally:
            os.close(log)
        _, status = os.waitpid(pid, 0)
        if status:
            raise Failed(f"pasta: {self._last_words()}")
        with open(self._pid_file, encoding="ascii") as file:
            return int(file.read())

    def _end_stale(self) -> None:
        """End the one of a keeper that was killed: it has the namespace's interface."""
        pid = stale(self._pid_file)
        if pid is None:
            return
        process = signals.pidfd_open(pid)
        try:
            signals.pidfd_send_signal(process, signals.SIGTERM)
            waiting = select.poll()
            waiting.register(process, select.POLLIN)
            waiting.poll(END_BOUND_MS)
        finally:
            os.close(process)

    def _last_words(self) -> str:
        with open(self._log, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if not line.startswith(_CHATTER)]
        return "; ".join(filter(None, lines[-_WORDS:])) or "it said nothing"


def stale(pid_file: str) -> int | None:
    """The process that wrote the file, if it is alive: it was told the file's name."""
    try:
        with open(pid_file, encoding="ascii") as file:
            pid = int(file.read())
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
    except (OSError, ValueError):
        return None  # never started, or gone
    return pid if pid_file.encode() in words else None


def _slirp_words() -> list[str]:
    return [
        *(SLIRP, "--configure", "--mtu=65520", "--disable-host-loopback"),
        *("--enable-sandbox", "--enable-seccomp"),
        *(f"--ready-fd={FIRST_PASSED}", f"--exit-fd={FIRST_PASSED + 1}"),
    ]


def _pasta_words() -> list[str]:
    closed = [word for option in ("-t", "-u", "-T", "-U") for word in (option, "none")]
    return [
        *(PASTA, "--config-net", "--quiet", "--no-map-gw", "--dns-forward", NAMESERVERS[PASTA]),
        *(*closed, "--userns", f"/proc/self/fd/{FIRST_PASSED}"),
        *("--netns", f"/proc/self/fd/{FIRST_PASSED + 1}"),
    ]


def find(tun: str = "/dev/net/tun") -> tuple[str, str, str]:
    """The helper that can be used; or else empty, what is missing, and what to do."""
    import shutil  # not for the keeper

    installed = next((name for name in PROGRAMS if shutil.which(name)), NONE)
    if not installed:
        return NONE, f"neither {' nor '.join(PROGRAMS)} is installed", "apt-get install slirp4netns"
    if not os.path.exists(tun):
        return NONE, f"there is no {tun}", "sudo modprobe tun"
    if not os.access(tun, os.R_OK | os.W_OK):
        return NONE, f"{tun} may not be opened by this user", f"sudo chmod 666 {tun}"
    return installed, "", ""
