"""`linux.seccomp`: every action and flag as a program meets it, and an agent that is asked."""

import array
import asyncio
import fcntl
import json
import os
import select
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError
from engine.runtime.launcher import Launcher

from .conftest import BOUND, Config, Host, bounded, process
from .spec import Change, configure, create, executed, finish, output, sleeping

MKDIR = ("mkdir", "mkdirat")
ENOSPC = 28
# linux/seccomp.h
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_RESPONSE = struct.Struct("=Qqii")


def policy(action: str, *, new_privileges: bool = False, **more: Any) -> Change:
    rule = {"names": [*MKDIR], "action": action}
    rule |= {key: more.pop(key) for key in ("errnoRet", "args") if key in more}

    def change(config: Config) -> None:
        config["process"]["noNewPrivileges"] = not new_privileges
        config["process"]["capabilities"] = {
            name: ["CAP_SYS_ADMIN"] for name in ("bounding", "effective", "permitted")
        }
        rules = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
        config["linux"]["seccomp"] = rules | more

    return change


# action: (errno, calls, a command that makes one, its exit code)
ACTIONS: dict[str, tuple[int | None, tuple[str, ...], str, int]] = {
    "SCMP_ACT_ALLOW": (None, MKDIR, "mkdir allowed", 0),
    "SCMP_ACT_LOG": (None, ("chmod", "fchmodat"), "chmod 700 allowed", 0),
    "SCMP_ACT_ERRNO": (None, ("symlink", "symlinkat"), "ln -s a b", 1),
    "SCMP_ACT_TRACE": (7, ("link", "linkat"), "ln file other", 1),  # nobody traces: ENOSYS
    "SCMP_ACT_TRAP": (None, ("mknod", "mknodat"), "mkfifo fifo", 128 + 31),
    "SCMP_ACT_KILL": (None, ("rename", "renameat", "renameat2"), "mv file other", 128 + 31),
    "SCMP_ACT_KILL_THREAD": (None, ("chown", "lchown", "fchownat"), "chown 0 file", 128 + 31),
    "SCMP_ACT_KILL_PROCESS": (None, ("sethostname",), "hostname other", 128 + 31),
}


async def test_each_action(host: Host, launcher: Launcher) -> None:
    def change(config: Config) -> None:
        policy("SCMP_ACT_ALLOW")(config)
        config["linux"]["seccomp"]["syscalls"] = [
            {"names": [*calls], "action": action} | ({} if code is None else {"errnoRet": code})
            for action, (code, calls, _, _) in ACTIONS.items()
        ]
        config["mounts"].append({"destination": "/work", "type": "tmpfs", "source": "tmpfs"})

    commands = [command for _, _, command, _ in ACTIONS.values()]
    tries = [f"({each}; exit $?); echo {each}: $?" for each in commands]
    script = "; ".join(["cd /work; touch file", *tries])
    text = await output(host, launcher, script, change)
    for _, _, command, code in ACTIONS.values():
        assert f"{command}: {code}" in text.splitlines(), text


@pytest.mark.parametrize("new_privileges", [False, True], ids=["loaded last", "loaded early"])
async def test_the_errno_is_the_policys(
    host: Host, launcher: Launcher, new_privileges: bool
) -> None:
    change = policy("SCMP_ACT_ERRNO", errnoRet=ENOSPC, new_privileges=new_privileges)
    text = await output(host, launcher, "mkdir /tmp/x || true", change)
    assert "No space left on device" in text


async def test_arguments_are_compared(host: Host, launcher: Launcher) -> None:
    """mkdir's second argument is the mode, which busybox gives as 0777."""
    where = 2 if os.uname().machine == "aarch64" else 1
    tests = [{"index": where, "value": 0o777, "op": "SCMP_CMP_EQ"}]
    refused = policy("SCMP_ACT_ERRNO", args=tests)
    assert await output(host, launcher, "mkdir /tmp/$$ 2>/dev/null || echo no", refused) == "no\n"
    tests = [{"index": where, "value": 0o777, "op": "SCMP_CMP_NE"}]
    allowed = policy("SCMP_ACT_ERRNO", args=tests)
    script = "mkdir /tmp/$$ && rmdir /tmp/$$ && echo yes"
    assert await output(host, launcher, script, allowed, name="c2") == "yes\n"


@pytest.mark.parametrize(
    "flags",
    [
        ["SECCOMP_FILTER_FLAG_TSYNC"],
        ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
    ],
    ids=["tsync", "log and spec_allow"],
)
async def test_flags(host: Host, launcher: Launcher, flags: list[str]) -> None:
    change = policy("SCMP_ACT_ERRNO", flags=flags)
    text = await output(host, launcher, "grep Seccomp: /proc/self/status", change)
    assert text.split() == ["Seccomp:", "2"]


async def test_a_session_has_the_containers_policy(host: Host, launcher: Launcher) -> None:
    monitor = await sleeping(host, launcher, policy("SCMP_ACT_ERRNO", errnoRet=ENOSPC))
    text = await executed(monitor, process(["sh", "-c", "mkdir /tmp/x 2>&1 || true"]))
    assert "No space left" in text


# --- an agent ----------------------------------------------------------------------------------


class Agent:
    """Answers for mkdir: what is called "granted" is as if it were made, anything else is full."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.states: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._listener.settimeout(BOUND)

    def close(self) -> None:
        self._listener.close()

    def serve(self) -> None:
        """Take one connection, and answer until the container has ended."""
        connection, _ = self._listener.accept()
        with connection:
            notify = self._take(connection)
        try:
            while self._is_asked(notify):
                self._answer(notify)
        finally:
            os.close(notify)

    def _take(self, connection: socket.socket) -> int:
        connection.settimeout(BOUND)
        data, rights, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(4))
        while piece := connection.recv(65536):
            data += piece
        self.states.append(json.loads(data))
        (_, kind, body) = rights[0]
        assert kind == socket.SCM_RIGHTS
        return array.array("i", body)[0]

    def _is_asked(self, notify: int) -> bool:
        poll = select.poll()
        poll.register(notify, select.POLLIN)
        events = poll.poll(BOUND * 1000)
        assert events, "nobody asked, and the container did not end"
        return bool(events[0][1] & select.POLLIN)

    def _answer(self, notify: int) -> None:
        buffer = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(notify, _RECEIVE, buffer)
        except FileNotFoundError:
            return  # it was killed while it asked
        number, pid, _, _, _, _, *arguments = _NOTIFICATION.unpack(buffer)
        name = _string(pid, arguments[1 if os.uname().machine == "aarch64" else 0])
        self.asked.append(name)
        error = 0 if name.endswith("granted") else -ENOSPC
        fcntl.ioctl(notify, _SEND, bytearray(_RESPONSE.pack(number, 0, error, 0)))


def _string(pid: int, address: int) -> str:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(256).split(b"\0")[0].decode()


@pytest.fixture
def make_agent(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], Agent]:
    def make() -> Agent:
        agent = Agent(tmp_path / "agent.sock")
        request.addfinalizer(agent.close)
        return agent

    return make


def notifying(path: Path, *, new_privileges: bool = False) -> Change:
    def change(config: Config) -> None:
        more = {"listenerPath": str(path), "listenerMetadata": "some data"}
        policy("SCMP_ACT_NOTIFY", new_privileges=new_privileges, **more)(config)
        config["annotations"] = {"com.example.key": "value"}

    return change


@pytest.mark.parametrize("new_privileges", [False, True], ids=["no new privileges", "plain"])
async def test_an_agent_answers(
    host: Host, launcher: Launcher, make_agent: Callable[[], Agent], new_privileges: bool
) -> None:
    agent = make_agent()
    serving = asyncio.create_task(asyncio.to_thread(agent.serve))
    script = "cd /tmp; mkdir granted && echo yes; [ -d granted ] || echo nothing; mkdir other; true"
    config = configure(host, script, notifying(agent.path, new_privileges=new_privileges))
    monitor = await create(host, launcher, "c1", config)
    code, text = await finish(monitor)
    await bounded(serving)
    assert code == 0
    assert text.splitlines()[:2] == ["yes", "nothing"]
    assert "No space left on device" in text
    assert agent.asked == ["granted", "other"]
    (state,) = agent.states
    assert (state["pid"], state["fds"]) == (monitor.pid, ["seccompFd"])
    assert state["metadata"] == "some data"
    inner = state["state"]
    assert (inner["id"], inner["status"], inner["pid"]) == ("c1", "creating", monitor.pid)
    assert inner["bundle"] == str(host.bundle("c1"))
    assert inner["annotations"]["com.example.key"] == "value"


async def test_an_agent_answers_for_a_session(
    host: Host, launcher: Launcher, make_agent: Callable[[], Agent]
) -> None:
    agent = make_agent()
    first = asyncio.create_task(asyncio.to_thread(agent.serve))
    monitor = await sleeping(host, launcher, notifying(agent.path))
    second = asyncio.create_task(asyncio.to_thread(agent.serve))
    script = "echo pid $$; mkdir /tmp/granted && echo yes"
    session = process(["sh", "-c", script])
    assert (await executed(monitor, session)).splitlines()[1] == "yes"
    await bounded(second)
    await monitor.kill(9)
    await bounded(monitor.wait())
    await bounded(first)
    begun, joined = agent.states
    assert begun["pid"] == begun["state"]["pid"] == joined["state"]["pid"] == monitor.pid
    assert joined["state"]["status"] == "running"
    assert joined["pid"] != monitor.pid
    assert agent.asked == ["/tmp/granted"]


async def test_an_agent_with_flags(
    host: Host, launcher: Launcher, make_agent: Callable[[], Agent]
) -> None:
    agent = make_agent()
    serving = asyncio.create_task(asyncio.to_thread(agent.serve))

    def change(config: Config) -> None:
        notifying(agent.path)(config)
        names = ("TSYNC", "WAIT_KILLABLE_RECV")
        config["linux"]["seccomp"]["flags"] = [f"SECCOMP_FILTER_FLAG_{name}" for name in names]

    assert await output(host, launcher, "mkdir /tmp/granted && echo yes", change) == "yes\n"
    await bounded(serving)


async def test_without_its_agent_nothing_is_made(
    host: Host, launcher: Launcher, tmp_path: Path
) -> None:
    config = configure(host, "true", notifying(tmp_path / "nobody.sock"))
    with pytest.raises(EngineError, match=r"nobody\.sock|no such file"):
        await create(host, launcher, "c1", config)
    assert not host.bundle("c1").exists()


async def test_the_runtimes_own_call_cannot_be_asked_for(
    host: Host, launcher: Launcher, tmp_path: Path
) -> None:
    def change(config: Config) -> None:
        notifying(tmp_path / "agent.sock")(config)
        config["linux"]["seccomp"]["syscalls"][0]["names"].append("write")

    with pytest.raises(EngineError, match="write"):
        await create(host, launcher, "c1", configure(host, "true", change))
