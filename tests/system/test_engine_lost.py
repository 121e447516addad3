"""A daemon that is killed: what its clients see, and what the next one knows. dockerd shows that
nothing more is asked of the engine than of it (with live-restore, without which it ends all)."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.system.conftest import IMAGE
from tests.system.daemons import Daemon, unmount_below

pytestmark = pytest.mark.root

WAITS = "while [ ! -e /dev/shm/go ]; do sleep 0.02; done"
COUNTS = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done"


class Lasting(Daemon):
    """dockerd as one that leaves its containers running."""

    def command(self) -> list[str]:
        more = [] if self.kind == "berth" else ["--live-restore"]
        return [*super().command(), *more]

    def kill(self) -> None:
        """dockerd's containerd does not always survive it, and a dockerd without does not start."""
        if self.kind == "berth":
            super().kill()
        else:
            self.stop()


@pytest.fixture(
    params=["berth", pytest.param("dockerd", marks=[pytest.mark.dockerd, pytest.mark.slow])]
)
def lasting(request: pytest.FixtureRequest, tmp_path: Path, rootfs_tar: bytes) -> Iterator[Lasting]:
    yield from made(request.param, tmp_path / "d", rootfs_tar)


@pytest.fixture
def berth_alone(tmp_path: Path, rootfs_tar: bytes) -> Iterator[Lasting]:
    """For what is not dockerd's to show."""
    yield from made("berth", tmp_path / "d", rootfs_tar)


def made(kind: str, folder: Path, rootfs: bytes) -> Iterator[Lasting]:
    daemon = Lasting(kind, folder, parent=f"berth-lost-{os.getpid()}")
    daemon.start()
    daemon.docker("import", "-", IMAGE, input=rootfs)
    yield daemon
    if daemon.process and daemon.process.poll() is not None:
        daemon.start()
    daemon.close()
    unmount_below(folder)


def test_a_second_engine_on_the_same_run_directory_touches_nothing(berth_alone: Lasting) -> None:
    """Its data is its own: to it, the first one's bundles would belong to nobody."""
    run(berth_alone, "one", COUNTS)
    folder = berth_alone.folder
    second = berth_alone.second(
        f"--socket={folder / 'other.sock'}", BERTH_DATA_DIR=str(folder / "data2")
    )
    assert second.returncode == 1
    assert berth_alone.process is not None
    wanted = f"run directory {folder / 'run'} is in use by the engine with pid"
    assert f"{wanted} {berth_alone.process.pid}" in second.stderr
    assert berth_alone.state("one")["Running"] is True


def run(daemon: Daemon, name: str, script: str, *options: str) -> None:
    daemon.docker(
        "run", "-d", "--name", name, "--network", "none", *options, IMAGE, "sh", "-c", script
    )


def release(pid: int) -> None:
    """Let a container that waits go on."""
    Path(f"/proc/{pid}/root/dev/shm/go").touch()


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "XZ"
    except (FileNotFoundError, ProcessLookupError):
        return True


def client(daemon: Daemon, output: Path, *words: str) -> "subprocess.Popen[bytes]":
    with output.open("wb") as file:
        return subprocess.Popen(
            ["docker", *words], env=daemon.env, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )


def lines(output: Path) -> list[str]:
    """The whole lines that a client has said."""
    return [line for line in output.read_text().splitlines(keepends=True) if line.endswith("\n")]


def test_clients_of_a_killed_daemon_end_and_see_no_nonsense(
    lasting: Lasting, tmp_path: Path
) -> None:
    run(lasting, "one", COUNTS)
    words = {
        "logs": ("logs", "-f", "one"),
        "attach": ("attach", "--no-stdin", "one"),
        "exec": ("exec", "one", "sh", "-c", COUNTS),
        "wait": ("wait", "one"),
    }
    with contextlib.ExitStack() as stack:
        clients = {}
        for name, each in words.items():
            clients[name] = stack.enter_context(client(lasting, tmp_path / name, *each))
            stack.callback(clients[name].kill)
        for name in ("logs", "attach", "exec"):
            eventually(lambda name=name: lines(tmp_path / name), what=f"{name} shows something")
        lasting.kill()
        codes = {name: each.wait(15) for name, each in clients.items()}
    lasting.start()
    for name in ("logs", "attach", "exec"):
        numbers = [int(line) for line in lines(tmp_path / name) if line.strip().isdecimal()]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), name
    assert codes["wait"] != 0
    assert lasting.state("one")["Running"] is True


@pytest.mark.parametrize("condition", ["not-running", "next-exit", "removed"])
def test_a_wait_of_the_next_daemon_sees_the_end(berth_alone: Lasting, condition: str) -> None:
    run(berth_alone, "one", f"{WAITS}; exit 6")
    pid = berth_alone.state("one")["Pid"]
    berth_alone.kill()
    berth_alone.start()
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.settimeout(15)
        waiting.connect(str(berth_alone.socket))
        path = f"/containers/one/wait?condition={condition}"
        waiting.sendall(f"POST {path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n".encode())
        assert waiting.recv(12) == b"HTTP/1.1 200", "it answers at once that it waits"
        release(pid)
        berth_alone.wait_for("one", "exited")
        berth_alone.docker("rm", "one")
        said = b"".join(iter(lambda: waiting.recv(4096), b""))
    assert b'"StatusCode":6' in said.replace(b" ", b""), said


POLICIES = {
    # name: (policy, how it ended, whether the next daemon starts it)
    "always-lost": ("always", "kill", True),
    "unless-lost": ("unless-stopped", "kill", True),
    "failed": ("on-failure:3", "fail", True),
    "succeeded": ("on-failure:3", "succeed", False),
    "always-stopped": ("always", "stop", True),
    "unless-stopped": ("unless-stopped", "stop", False),
    "none": ("no", "fail", False),
    "always-created": ("always", "create", False),
    "exhausted": ("on-failure:1", "exhaust", False),
}


def test_restart_policies_when_a_daemon_starts(lasting: Lasting) -> None:
    for name, (policy, end, _) in POLICIES.items():
        script = {"exhaust": "exit 5", "succeed": f"{WAITS}; exit 0"}.get(end, f"{WAITS}; exit 5")
        if end == "create":
            lasting.docker("create", "--name", name, "--restart", policy, IMAGE, "sleep", "1000")
        else:
            run(lasting, name, script, "--restart", policy)
        if end == "stop":
            lasting.docker("stop", "-t", "0", name)
    eventually(lambda: ended(lasting, "exhausted"), what="it has used up its restarts")
    pids = {name: lasting.state(name)["Pid"] for name in POLICIES}
    lasting.kill()
    for name, (_, end, _) in POLICIES.items():
        if end in ("fail", "succeed"):
            release(pids[name])
        elif end == "kill":
            os.kill(pids[name], signal.SIGKILL)
    for name, pid in pids.items():
        if pid and POLICIES[name][1] != "stop":
            eventually(lambda pid=pid: gone(pid), what=f"{name} ends")
    lasting.start()
    for name, (_, _, starts) in POLICIES.items():
        if starts:
            eventually(lambda name=name: lasting.state(name)["Running"], what=f"{name} starts")
    found = {name: lasting.state(name)["Running"] for name in POLICIES}
    assert found == {name: starts for name, (_, _, starts) in POLICIES.items()}
    assert lasting.inspect("exhausted")["RestartCount"] == 1


def ended(daemon: Daemon, name: str) -> bool:
    found = daemon.inspect(name)
    return found["State"]["Status"] == "exited" and found["RestartCount"] == 1


def test_who_watches_over_a_container_is_killed(lasting: Lasting) -> None:
    """berth's monitor and containerd's shim cost the same: their container, and no other."""
    run(lasting, "one", COUNTS)
    run(lasting, "other", COUNTS)
    pid, other = (lasting.state(name)["Pid"] for name in ("one", "other"))
    watcher = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(watcher, signal.SIGKILL)
    state = lasting.wait_for("one", "exited", seconds=30)
    print(lasting.kind, state)
    assert state["ExitCode"] in ({"berth": (255,), "dockerd": (255, 137)}[lasting.kind])
    assert gone(pid)
    assert lasting.state("other")["Pid"] == other
    lasting.docker("start", "one")
    assert lasting.state("one")["Running"] is True
