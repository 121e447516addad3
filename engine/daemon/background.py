"""`start`, `stop` and `status`: the engine as a background process, seen from outside."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from engine.daemon import client, lock
from engine.daemon.options import Options
from engine.errors import RuntimeFailure, Unavailable
from engine.runtime import signals

START_SECONDS = 20.0
STOP_SECONDS = 20.0
# Only the last run matters; what is longer than this is set aside once.
MAX_LOG = 10 * 1024 * 1024
NOT_RUNNING = 3


def start(options: Options) -> int:
    """Start an engine unless one answers, and return when it does.

    Raises:
        RuntimeFailure: it ended at once; the message holds the last it said.
        Unavailable: it has not answered in time.
    """
    known = client.get(options.socket, "/berth/v1/info")
    if known is not None:
        print(f"engine is running already (pid {known['pid']}) at unix://{options.socket}")
        return 0
    process = _launch(options)
    _await_answer(options, process)
    print(f"engine started (pid {process.pid}) at unix://{options.socket}")
    print(f"log: {options.log_file}")
    return 0


def stop(options: Options) -> int:
    """Ask the engine to end and wait for it; its containers keep running.

    Raises:
        Unavailable: it has not ended in time.
    """
    pid = lock.holder(options.lock_file)
    if pid is None:
        print("no engine is running")
        return 0
    try:
        process = signals.pidfd_open(pid)
    except ProcessLookupError:
        print("no engine is running")
        return 0
    try:
        _end(process, pid)
    finally:
        os.close(process)
    print(f"engine stopped (pid {pid}); its containers keep running")
    return 0


def status(options: Options) -> int:
    """Print what runs; 3 when nothing does, as service scripts expect."""
    known = client.get(options.socket, "/berth/v1/info")
    info = client.get(options.socket, "/info")
    if known is None or info is None:
        print(f"engine is not running (nothing answers at unix://{options.socket})")
        return NOT_RUNNING
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(known["started_at"]))
    rows = {
        "engine": f"berth {known['version']}, pid {known['pid']}, since {since}",
        "socket": f"unix://{options.socket}",
        "data": str(known["data_dir"]),
        "containers": f"{info['Containers']} ({info['ContainersRunning']} running, "
        f"{info['ContainersPaused']} paused, {info['ContainersStopped']} stopped)",
        "images": str(info["Images"]),
        "cgroups": str(known["cgroup"]),
    }
    for name, value in rows.items():
        print(f"{name + ':':<12}{value}")
    for warning in known["warnings"]:
        print(f"{'warning:':<12}{warning}")
    return 0


def _launch(options: Options) -> "subprocess.Popen[bytes]":
    """A session of its own, so that hanging up the terminal does not reach it."""
    options.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = _open_log(options.log_file)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "engine", "run", *options.arguments()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_environment(),
            start_new_session=True,
        )
    finally:
        os.close(log)


def _open_log(path: Path) -> int:
    if path.exists() and path.stat().st_size > MAX_LOG:
        path.replace(path.with_name(f"{path.name}.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _environment() -> dict[str, str]:
    """The engine must be found from `/` too when it was started out of a source tree."""
    root = str(Path(__file__).parents[2])
    known = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": f"{root}:{known}" if known else root}


def _await_answer(options: Options, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while client.get(options.socket, "/berth/v1/info") is None:
        try:
            # Waiting for its end is waiting a moment before asking again.
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            if time.monotonic() < deadline:
                continue
            raise Unavailable(
                f"the engine (pid {process.pid}) has not answered within {START_SECONDS:.0f} s: "
                f"see {options.log_file}"
            ) from None
        raise RuntimeFailure(f"the engine ended at once: {_last_line(options.log_file)}")


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines()
    return lines[-1] if lines else f"see {path}"


def _end(process: int, pid: int) -> None:
    try:
        signal.pidfd_send_signal(process, signal.SIGTERM)
    except ProcessLookupError:
        return  # it has just ended by itself
    except PermissionError:
        raise Unavailable(f"the engine with pid {pid} belongs to another user") from None
    readable, _, _ = select.select([process], [], [], STOP_SECONDS)
    if not readable:
        raise Unavailable(f"the engine (pid {pid}) has not ended within {STOP_SECONDS:.0f} s")
