"""berth-runtime's command line, next to runc's: the same calls, the same observable behaviour."""

import array
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from engine.runtime import syscalls
from tests.conftest import eventually
from tests.system.daemons import busybox_rootfs, remove_cgroups

pytestmark = pytest.mark.root

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


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("rootfs")
    made.chmod(0o755)
    with tarfile.open(fileobj=BytesIO(busybox_rootfs())) as tar:
        tar.extractall(made, filter="fully_trusted")
    yield made
    shutil.rmtree(made)
    remove_cgroups(CGROUP_PARENT)


@pytest.fixture(params=["runc", "berth"])
def cli(request: pytest.FixtureRequest, tmp_path: Path, rootfs: Path) -> Iterator[Cli]:
    yield from _cli(request.param, tmp_path, rootfs)


@pytest.fixture
def berth(tmp_path: Path, rootfs: Path) -> Iterator[Cli]:
    """For what runc has not, or has otherwise."""
    yield from _cli("berth", tmp_path, rootfs)


def _cli(name: str, folder: Path, rootfs: Path) -> Iterator[Cli]:
    """The containers' processes become this one's children, as they become a shim's."""
    syscalls.set_child_subreaper()
    made = Cli(name, folder, rootfs)
    try:
        yield made
        for container in made.well("list", "--quiet").split():
            made("delete", "--force", container)
    finally:
        syscalls.set_child_subreaper(False)
        reap()


def reap() -> None:
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                return
        except ChildProcessError:
            return


# --- life --------------------------------------------------------------------------------------


def test_create_start_kill_delete(cli: Cli, tmp_path: Path) -> None:
    bundle, pid_file = cli.bundle("c", *LOOP), tmp_path / "pid"
    created = cli.detached("create", "--bundle", bundle, "--pid-file", str(pid_file), "c")
    assert created.returncode == 0, created.stderr
    state = cli.state("c")
    assert (state["id"], state["status"], state["bundle"]) == ("c", "created", bundle)
    assert state["pid"] == int(pid_file.read_text())
    cli.well("start", "c")
    assert cli.state("c")["status"] == "running"
    cli.well("kill", "c", "SIGKILL")
    assert os.waitpid(state["pid"], 0)[1] == signal.SIGKILL
    stopped = cli.state("c")
    assert (stopped["status"], stopped["pid"]) == ("stopped", 0)
    cli.well("delete", "c")
    assert not (cli.root / "c").exists() and not cgroups_of(cli, "c")


def cgroups_of(cli: Cli, name: str) -> list[Path]:
    base, path = Path("/sys/fs/cgroup"), f"{CGROUP_PARENT}/{cli.name}-{name}"
    return [place for place in (base, *base.iterdir()) if (place / path).is_dir()]


def test_the_caller_of_create_gets_the_exit_code(cli: Cli) -> None:
    assert cli.create("c", "sh", "-c", "exit 42").returncode == 0
    pid = cli.state("c")["pid"]
    cli.well("start", "c")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42


def test_run_passes_streams_and_exit_code(cli: Cli) -> None:
    bundle = cli.bundle("r", "sh", "-c", "cat; echo err >&2; exit 3")
    done = cli("run", "--bundle", bundle, "r", stdin=None, input="in\n")
    assert (done.returncode, done.stdout, done.stderr) == (3, "in\n", "err\n")
    assert not (cli.root / "r").exists() and not cgroups_of(cli, "r")


def test_run_keeps_the_container_when_asked_to(cli: Cli) -> None:
    bundle = cli.bundle("r", "true")
    cli.well("run", "--keep", "--bundle", bundle, "r")
    assert cli.state("r")["status"] == "stopped"


def test_run_passes_signals_on(cli: Cli) -> None:
    command = [cli.program, "--root", str(cli.root), "run", "--bundle", cli.bundle("r", *LOOP), "r"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None and running.stdout.readline() == b"up\n"
        running.terminate()
        assert running.wait(30) == 7


def test_the_container_of_a_killed_run_goes_on(cli: Cli) -> None:
    command = [cli.program, "--root", str(cli.root), "run", "--bundle", cli.bundle("r", *LOOP), "r"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None and running.stdout.readline() == b"up\n"
        running.kill()
        running.wait(30)
    cli.becomes("r", "running")


def test_a_second_start_is_refused(cli: Cli) -> None:
    cli.run("c", *LOOP)
    done = cli("start", "c")
    assert done.returncode == 1 and "already running container" in done.stderr


def test_a_stopped_container_is_not_started(cli: Cli) -> None:
    cli.run("c", "true")
    cli.becomes("c", "stopped")
    done = cli("start", "c")
    assert done.returncode == 1 and "cannot start a container that has stopped" in done.stderr


def test_a_name_that_is_taken_is_refused(cli: Cli) -> None:
    cli.run("c", *LOOP)
    bundle = cli.bundle("other", "true")
    done = cli.detached("create", "--bundle", bundle, "c")
    assert done.returncode == 1 and "container with given ID already exists" in done.stderr
    assert cli.state("c")["status"] == "running"


@pytest.mark.parametrize("name", ["..", "a/b", "a b", ""])
def test_a_name_that_is_none_is_refused(cli: Cli, name: str) -> None:
    done = cli.detached("create", "--bundle", cli.bundle("x", "true"), name)
    assert done.returncode == 1
    assert not cli.root.exists() or os.listdir(cli.root) == []


def test_a_running_container_is_not_deleted_but_by_force(cli: Cli) -> None:
    cli.run("c", *LOOP)
    done = cli("delete", "c")
    assert done.returncode == 1 and "not stopped: running" in done.stderr
    cli.well("delete", "--force", "c")
    cli.well("delete", "--force", "c")
    assert cli("state", "c").returncode == 1 and not cgroups_of(cli, "c")


def test_a_created_container_is_deleted(cli: Cli) -> None:
    cli.create("c", "true")
    cli.well("delete", "c")
    assert not (cli.root / "c").exists()


def test_processes_left_behind_end_with_the_container(cli: Cli) -> None:
    def host_pids(config: Any) -> None:
        spaces = config["linux"]["namespaces"]
        config["linux"]["namespaces"] = [each for each in spaces if each["type"] != "pid"]

    cli.run("c", "sh", "-c", "sleep 1000 & exit 0", change=host_pids)
    cli.becomes("c", "stopped")
    left = json.loads(cli.well("ps", "--format", "json", "c"))
    assert len(left) == 1
    cli.well("delete", "--force", "c")
    eventually(lambda: not alive(left[0]), what="the process left behind ends")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


# --- signals, pause, limits --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["TERM", "sigterm", "15", "SIGTERM"])
def test_signals_by_name_and_number(cli: Cli, name: str) -> None:
    cli.run("c", *LOOP, change=lambda config: config["process"].update(terminal=False))
    pid = cli.state("c")["pid"]
    eventually(lambda: handles(pid, signal.SIGTERM), what="the trap is set")
    cli.well("kill", "c", name)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def handles(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = re.search(r"SigCgt:\s*(\w+)", status)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def test_no_such_signal(cli: Cli) -> None:
    cli.run("c", *LOOP)
    assert cli("kill", "c", "SIGNONE").returncode == 1
    assert cli.state("c")["status"] == "running"


def test_a_stopped_container_takes_no_signal(cli: Cli) -> None:
    cli.run("c", "true")
    cli.becomes("c", "stopped")
    done = cli("kill", "c", "KILL")
    assert done.returncode == 1 and "container not running" in done.stderr
    cli.well("kill", "--all", "c", "KILL")


def test_kill_all_reaches_every_process(cli: Cli) -> None:
    cli.run("c", "sh", "-c", "sleep 1000 & wait")
    pids = eventually(lambda: [*pids_of(cli, "c")][1:] and pids_of(cli, "c"), what="two processes")
    cli.well("kill", "--all", "c", "KILL")
    eventually(lambda: not any(map(alive, pids)), what="all processes end")


def pids_of(cli: Cli, name: str) -> list[int]:
    return json.loads(cli.well("ps", "--format", "json", name)) or []


def test_pause_and_resume(cli: Cli) -> None:
    cli.run("c", *LOOP)
    cli.well("pause", "c")
    assert cli.state("c")["status"] == "paused"
    assert cli("exec", "c", "true").returncode == 255
    cli.well("resume", "c")
    assert cli.state("c")["status"] == "running"
    assert cli("resume", "c").returncode == 1


def test_a_paused_container_is_deleted_by_force(cli: Cli) -> None:
    cli.run("c", *LOOP)
    cli.well("pause", "c")
    cli.well("delete", "--force", "c")
    assert not cgroups_of(cli, "c")


def test_update_by_flags_and_by_document(cli: Cli) -> None:
    cli.run("c", *LOOP)
    cli.well("update", "--pids-limit", "50", "c")
    assert limit(cli, "c", "pids.max") == "50"
    cli.well("update", "--resources", "-", "c", stdin=None, input='{"pids": {"limit": 60}}')
    assert limit(cli, "c", "pids.max") == "60"


def limit(cli: Cli, name: str, file: str) -> str:
    path = f"{CGROUP_PARENT}/{cli.name}-{name}/{file}"
    (found,) = (place / path for place in cgroups_of(cli, name) if (place / path).exists())
    return found.read_text().strip()


# --- exec --------------------------------------------------------------------------------------


def test_exec_passes_streams_and_exit_code(cli: Cli) -> None:
    cli.run("c", *LOOP)
    done = cli("exec", "c", "sh", "-c", "cat; echo err >&2; exit 9", stdin=None, input="in\n")
    assert (done.returncode, done.stdout, done.stderr) == (9, "in\n", "err\n")


def test_exec_with_user_directory_and_environment(cli: Cli) -> None:
    cli.run("c", *LOOP)
    options = ("--user", "5:6", "--additional-gids", "7", "--cwd", "/etc", "--env", "X=y")
    out = cli.well("exec", *options, "c", "sh", "-c", "id -u; id -g; id -G; pwd; echo $X")
    assert out.split("\n") == ["5", "6", "6 7", "/etc", "y", ""]


def test_exec_of_a_process_document(cli: Cli, tmp_path: Path) -> None:
    cli.run("c", *LOOP)
    process = {"args": ["sh", "-c", "echo $A"], "cwd": "/", "env": ["PATH=/bin", "A=b"]}
    (tmp_path / "p.json").write_text(json.dumps(process | {"user": {"uid": 0, "gid": 0}}))
    assert cli.well("exec", "--process", str(tmp_path / "p.json"), "c") == "b\n"


def test_exec_has_the_privileges_of_the_container(cli: Cli) -> None:
    cli.run("c", *LOOP)
    script = "grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status"
    assert cli.well("exec", "c", "sh", "-c", script).split() == [
        *("CapEff:", "0000000020000420"),
        *("CapBnd:", "0000000020000420"),
        *("NoNewPrivs:", "1"),
    ]
    more = cli.well("exec", "--cap", "CAP_NET_ADMIN", "c", "sh", "-c", script)
    assert "CapEff:	0000000020001420" in more


def test_exec_detached(cli: Cli, tmp_path: Path) -> None:
    cli.run("c", *LOOP)
    pid_file = str(tmp_path / "pid")
    done = cli.detached("exec", "--detach", "--pid-file", pid_file, "c", "sh", "-c", "exit 8")
    assert done.returncode == 0, done.stderr
    pid = int(Path(pid_file).read_text())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 8


def test_exec_of_what_is_not_there(cli: Cli) -> None:
    cli.run("c", *LOOP)
    done = cli("exec", "c", "no-such-program")
    assert done.returncode == 255
    assert 'exec: "no-such-program": executable file not found in $PATH' in done.stderr.replace(
        "\\", ""
    )


def test_exec_in_a_stopped_container(cli: Cli) -> None:
    cli.run("c", "true")
    cli.becomes("c", "stopped")
    done = cli("exec", "c", "true")
    assert done.returncode == 255 and "cannot exec in a stopped container" in done.stderr


# --- terminals and descriptors -----------------------------------------------------------------


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


@pytest.fixture
def console(tmp_path: Path) -> Iterator[ConsoleSocket]:
    made = ConsoleSocket(tmp_path / "console.sock")
    yield made
    made.close()


def test_the_terminal_goes_to_the_console_socket(cli: Cli, console: ConsoleSocket) -> None:
    def sized(config: Any) -> None:
        config["process"] |= {"terminal": True, "consoleSize": {"height": 30, "width": 90}}

    bundle = cli.bundle("c", "sh", "-c", "stty size; tty; read x; exit 4", change=sized)
    done = cli.detached("create", "--bundle", bundle, "--console-socket", console.path, "c")
    assert done.returncode == 0, done.stderr
    pid, master = cli.state("c")["pid"], console.master()
    try:
        cli.well("start", "c")
        assert read_until(master, "/dev/pts/0").split() == ["30", "90", "/dev/pts/0"]
        os.write(master, b"\n")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 4
    finally:
        os.close(master)


def read_until(master: int, text: str) -> str:
    seen = ""
    while text not in seen:
        seen += os.read(master, 4096).decode()
    return seen


def test_exec_with_a_terminal(cli: Cli, console: ConsoleSocket) -> None:
    cli.run("c", *LOOP)
    words = ("exec", "--detach", "--tty", "--console-socket", console.path, "c", "tty")
    done = cli.detached(*words)
    assert done.returncode == 0, done.stderr
    master = console.master()
    try:
        assert read_until(master, "\n").strip().startswith("/dev/pts/")
        os.waitpid(-1, 0)  # the namespace cannot end before its dead are collected
    finally:
        os.close(master)


def test_a_terminal_needs_somebody_to_hold_it(cli: Cli) -> None:
    bundle = cli.bundle("c", "true", change=lambda config: config["process"].update(terminal=True))
    done = cli.detached("create", "--bundle", bundle, "c")
    assert done.returncode == 1 and "console socket" in done.stderr
    assert cli("state", "c").returncode == 1


def test_descriptors_are_preserved(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("of the caller\n")
    bundle = cli.bundle("r", "sh", "-c", "cat <&3; cd /proc/self/fd; echo [0-9]")
    words = ("run", "--preserve-fds", "1", "--bundle", bundle, "r")
    script = 'file=$1; shift; exec "$@" 3<"$file"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", str(tmp_path / "f"), cli.program, "--root", cli.root, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["of the caller", "0 1 2 3 4", ""]  # 4: the directory read


def test_a_descriptor_that_is_not_open_is_refused(cli: Cli) -> None:
    done = cli("run", "--preserve-fds", "7", "--bundle", cli.bundle("r", "true"), "r")
    assert done.returncode == 1 and "preserved-fd" in done.stderr


def test_readiness_is_passed_on(cli: Cli, tmp_path: Path) -> None:
    """The program tells /run/notify; the host hears of it, with the pid that counts."""

    def writable(config: Any) -> None:
        config["root"]["readonly"] = False

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as host:
        host.settimeout(20)
        host.bind(str(tmp_path / "host.sock"))
        environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "host.sock")}
        bundle = cli.bundle(
            "c", "sh", "-c", "test -S $NOTIFY_SOCKET && sleep 1000", change=writable
        )
        null = subprocess.DEVNULL
        command = [cli.program, "--root", str(cli.root), "run", "--detach", "--bundle", bundle, "c"]
        with subprocess.Popen(command, stdin=null, stdout=null, env=environment) as running:
            eventually(lambda: cli("state", "c").returncode == 0, what="the container is there")
            cli.becomes("c", "running")
            inside = eventually(lambda: notify_socket(cli), what="the container's socket")
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as program:
                program.sendto(b"READY=1\nSTATUS=well", inside)
            told = host.recv(4096)
            while b"MAINPID" not in told:
                told += host.recv(4096)
            assert b"READY=1" in told
            assert f"MAINPID={cli.state('c')['pid']}".encode() in told
            assert running.wait(30) == 0


def notify_socket(cli: Cli) -> str:
    found = list((cli.root / "c" / "notify").glob("*.sock"))
    return str(found[0]) if found else ""


def test_without_pivot_the_root_is_the_containers_all_the_same(cli: Cli) -> None:
    """Also for what joins later; and nothing of the host's can be mounted over or seen."""
    bundle = cli.bundle("c", *LOOP)
    done = cli.detached("run", "--detach", "--no-pivot", "--bundle", bundle, "c")
    assert done.returncode == 0, done.stderr
    script = "ls /; ls /proc/1/root; grep -c -- '- proc ' /proc/self/mountinfo"
    out = cli.well("exec", "c", "sh", "-c", script)
    names = " ".join(sorted(os.listdir(cli.rootfs)))
    proc = json.loads(Path(bundle, "config.json").read_text())["linux"]
    own = [each for each in proc["maskedPaths"] + proc["readonlyPaths"] if each[:6] == "/proc/"]
    assert " ".join(out.split()).startswith(f"{names} {names} ")
    assert int(out.split()[-1]) <= 1 + len(own)


_WITH_KEY = """
import ctypes, os, sys
call = ctypes.CDLL(None, use_errno=True).syscall
assert call(250, 1, None) > 0  # keyctl(KEYCTL_JOIN_SESSION_KEYRING)
key = call(248, b"user", b"of-the-caller", b"x", 1, -3)  # add_key to the session keyring
assert key > 0 and call(250, 5, key, 0x3F000000) == 0  # KEYCTL_SETPERM: for possessors only
os.execvp(sys.argv[1], sys.argv[1:])
"""


def test_the_session_keyring_is_the_callers_when_asked_for(cli: Cli) -> None:
    def unmasked(config: Any) -> None:
        config["linux"]["maskedPaths"] = []

    def sees_key(*options: str) -> bool:
        name = f"k{len(options)}"
        bundle = cli.bundle(name, "cat", "/proc/keys", change=unmasked)
        words = ("--root", str(cli.root), "run", *options, "--bundle", bundle, name)
        script = [sys.executable, "-c", _WITH_KEY, cli.program, *words]
        shown = subprocess.run(script, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        return b"of-the-caller" in shown.stdout

    assert sees_key("--no-new-keyring")
    assert not sees_key()


# --- what is told ------------------------------------------------------------------------------


def test_list_as_table_json_and_ids(cli: Cli) -> None:
    assert json.loads(cli.well("list", "--format", "json")) is None
    cli.run("a", *LOOP)
    cli.create("b", "true")
    assert cli.well("list", "--quiet").split() == ["a", "b"]
    title, *rows = cli.well("list").splitlines()
    assert title.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert [row.split()[2] for row in rows] == ["running", "created"]
    states = json.loads(cli.well("list", "--format", "json"))
    assert [(each["id"], each["status"]) for each in states] == [("a", "running"), ("b", "created")]


def test_ps_as_table_and_pids(cli: Cli) -> None:
    cli.run("c", "sleep", "1000")
    pid = cli.state("c")["pid"]
    assert json.loads(cli.well("ps", "--format", "json", "c")) == [pid]
    assert "sleep 1000" in cli.well("ps", "c").splitlines()[1]
    assert cli.well("ps", "c", "-o", "pid,args").split()[:3] == ["PID", "COMMAND", str(pid)]


def test_annotations_are_part_of_the_state(cli: Cli) -> None:
    cli.create("c", "true", change=lambda config: config.update(annotations={"a.b": "c"}))
    assert cli.state("c")["annotations"] == {"a.b": "c"}


def test_stats(cli: Cli) -> None:
    cli.run("c", *LOOP)
    event = json.loads(cli.well("events", "--stats", "c"))
    assert (event["type"], event["id"]) == ("stats", "c")
    assert event["data"]["pids"]["current"] >= 1
    assert event["data"]["cpu"]["usage"]["total"] > 0
    assert event["data"]["memory"]["usage"]["usage"] > 0


@pytest.mark.parametrize("form", ["text", "json"])
def test_errors_go_to_the_log(cli: Cli, tmp_path: Path, form: str) -> None:
    log = tmp_path / "log"
    done = cli("--log", str(log), "--log-format", form, "state", "nobody")
    assert done.returncode == 1 and "does not exist" in done.stderr
    (line,) = log.read_text().splitlines()
    if form == "json":
        record = json.loads(line)
        assert record["level"] == "error" and "does not exist" in record["msg"]
    else:
        assert "level=error" in line and "does not exist" in line


def test_features_names_what_there_is(cli: Cli) -> None:
    features = json.loads(cli.well("features"))
    assert {"bind", "ro", "rro", "rslave"} <= {*features["mountOptions"]}
    assert features["linux"]["seccomp"]["enabled"]
    assert {"mount", "pid", "user"} <= {*features["linux"]["namespaces"]}


def test_spec_is_a_configuration_that_runs(cli: Cli, tmp_path: Path) -> None:
    cli.well("spec", "--bundle", str(tmp_path))
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    config["process"] |= {"terminal": False, "args": ["echo", "ran"]}
    config["root"]["path"] = str(cli.rootfs)
    config["linux"]["cgroupsPath"] = f"/{CGROUP_PARENT}/spec"
    path.write_text(json.dumps(config))
    assert cli.well("run", "--bundle", str(tmp_path), "s") == "ran\n"
    assert cli("spec", "--bundle", str(tmp_path)).returncode == 1


# --- failures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args", [("no-such-program",), ("/etc/plain",), ("/etc",)], ids=lambda args: str(args[0])
)
def test_a_create_that_fails_leaves_nothing(cli: Cli, args: tuple[str, ...]) -> None:
    before = mounts(cli)
    done = cli.create("c", *args)
    assert done.returncode == 1
    assert f'exec: "{args[0]}"' in done.stderr.replace("\\", "")
    assert os.listdir(cli.root) == [] and not cgroups_of(cli, "c")
    assert mounts(cli) == before


def mounts(cli: Cli) -> list[str]:
    """Those that have to do with this test's folders: other tests of the machine mount, too."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if str(cli.folder) in line or str(cli.rootfs) in line]


def test_no_configuration(cli: Cli, tmp_path: Path) -> None:
    done = cli("create", "--bundle", str(tmp_path), "c")
    assert done.returncode == 1 and "config.json" in done.stderr


def test_unknown_words_are_refused(cli: Cli) -> None:
    assert cli("state", "--nonsense", "x").returncode != 0
    assert cli("kill").returncode != 0
