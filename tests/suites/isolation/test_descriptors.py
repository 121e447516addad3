"""What a runtime holds while it starts a process: descriptors, its own program, its own memory."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from engine.containers.model import HostConfig
from engine.errors import EngineError
from engine.runtime.launcher import Monitor
from tests.suites.host import Config, bounded, read_all, until

from .box import UNCONFINED, Box, process, program

OPEN_FILES = """
for fd in sorted(map(int, os.listdir("/proc/self/fd"))):
    try:
        print(fd, os.readlink(f"/proc/self/fd/{fd}"), flush=True)
    except OSError:
        pass  # the listing's own
"""


def kinds(text: str) -> dict[int, str]:
    """Descriptor -> what it leads to, without the inode."""
    lines = (line.split(" ", 1) for line in text.splitlines())
    return {int(fd): target.partition(":")[0] for fd, target in lines}


EXPECTED = {0: "/dev/null", 1: "pipe", 2: "pipe"}


async def test_no_descriptor_is_left_open_in_the_first_process(box: Box) -> None:
    assert kinds(await box.run(OPEN_FILES)) == EXPECTED
    read, write = os.pipe()
    child = await asyncio.create_subprocess_exec(
        str(box.rootfs) + "/bin/python3",
        *program(OPEN_FILES)[1:],
        pass_fds=(read,),
        stdout=asyncio.subprocess.PIPE,
    )
    shown, _ = await child.communicate()
    os.close(read)
    os.close(write)
    assert read in kinds(shown.decode())  # so it is seen when there is one


async def test_no_descriptor_is_left_open_beside_it(box: Box) -> None:
    running = await box.start(box.config(["sleep", "1000"]))
    assert kinds(await box.exec(running, program(OPEN_FILES))) == EXPECTED


@pytest.mark.parametrize("tty", [False, True], ids=["pipes", "terminal"])
async def test_the_host_sees_none_either(box: Box, tty: bool) -> None:
    config = box.config(["sleep", "1000"])
    config["process"]["terminal"] = tty
    running = await box.start(config)
    await until(lambda: "sleep" in Path(f"/proc/{running.pid}/comm").read_text())
    links = {os.readlink(each) for each in Path(f"/proc/{running.pid}/fd").iterdir()}
    assert {link.partition(":")[0] for link in links} <= (
        {"/dev/pts/0"} if tty else {"/dev/null", "pipe"}
    )


WHERE = """
import errno
for depth in range(12):
    try:
        print("escaped", open("../" * depth + SECRET.lstrip("/")).read(), flush=True)
    except OSError:
        pass
print("inside", flush=True)
"""


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the host that a process whose directory is the host's can read."""
    path = tmp_path / "secret"
    path.write_text("of the host")
    return path


def where(secret: Path) -> list[str]:
    return program(f"SECRET = {str(secret)!r}" + WHERE)


async def from_directory(box: Box, config: Config, cwd: str) -> str:
    config["process"]["cwd"] = cwd
    try:
        return (await box.finish(config))[0]
    except EngineError:
        return "refused"


async def test_a_directory_of_the_host_would_be_noticed(box: Box, secret: Path) -> None:
    config = box.config(where(secret))
    config["mounts"].append(
        {"destination": "/host", "type": "bind", "source": "/", "options": ["rbind"]}
    )
    assert "escaped" in await from_directory(box, config, "/host")


@pytest.mark.parametrize("by_link", [False, True], ids=["asked", "by a link"])
async def test_no_working_directory_leads_out(box: Box, secret: Path, by_link: bool) -> None:
    """CVE-2024-21626: /proc/self/fd/N, where the runtime has a directory of the host open."""
    for number in range(3, 12):
        cwd = f"/proc/self/fd/{number}"
        if by_link:
            (box.rootfs / f"link{number}").unlink(missing_ok=True)
            (box.rootfs / f"link{number}").symlink_to(cwd)
            cwd = f"/link{number}"
        said = await from_directory(box, box.config(where(secret)), cwd)
        assert said in ("refused", "inside"), cwd
        if by_link:
            (box.rootfs / f"link{number}").unlink()


async def test_no_working_directory_of_an_exec_leads_out(box: Box, secret: Path) -> None:
    running = await box.start(box.config(["sleep", "1000"]))
    for number in range(3, 12):
        for pid in ("self", "1"):
            said = await exec_in(box, running, secret, f"/proc/{pid}/fd/{number}")
            assert said in ("refused", "inside"), number


async def exec_in(box: Box, running: Monitor, secret: Path, cwd: str) -> str:
    try:
        return await box.exec(running, where(secret), cwd=cwd)
    except EngineError:
        return "refused"


OWN_PROGRAM = "/proc/self/exe"


@pytest.fixture
def script(box: Box) -> Iterator[str]:
    """A program whose interpreter is whoever executes it."""
    path = box.rootfs / "bin/script"
    path.write_text(f"#!{OWN_PROGRAM}\n")
    path.chmod(0o755)
    yield "/bin/script"
    path.unlink()


async def test_the_runtime_is_not_run_as_the_containers_program(box: Box, script: str) -> None:
    """CVE-2019-5736: it could then be opened by /proc/PID/exe and written to."""
    for args in ([OWN_PROGRAM, "-c", "pass"], [script]):
        assert await code_of(box, box.config(args)) != 0


async def test_nor_as_a_program_beside_it(box: Box, script: str) -> None:
    running = await box.start(box.config(["sleep", "1000"]))
    for args in ([OWN_PROGRAM, "-c", "pass"], [script]):
        try:
            session = await running.exec(f"own{len(args)}", process(args), stdin=False)
        except EngineError:
            continue
        await read_all(session.stream)
        assert await bounded(session.wait()) != 0


async def code_of(box: Box, config: Config) -> int:
    try:
        return (await box.finish(config))[1].code
    except EngineError:
        return 255


# Looks at every process that appears, until a file tells it to stop. What may be opened of it is
# tried: its program (to be written to), its directories, its files, its memory, tracing it.
WATCH = """
import fcntl
MINE = {os.stat(path).st_ino for path in ("/bin/python3", "/bin/busybox")}
PTRACE_SEIZE = 0x4206
F_GET_SEALS, F_SEAL_WRITE = 1034, 8
def protection(exe):
    # What will keep the file from being written once it is no longer being run; not tried.
    if os.fstatvfs(exe).f_flag & os.ST_RDONLY:
        return "read-only"
    fd = os.open(f"/proc/self/fd/{exe}", os.O_RDONLY)
    try:
        return "sealed" if fcntl.fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE else "writable"
    except OSError:
        return "writable"
    finally:
        os.close(fd)
def look(pid):
    base = f"/proc/{pid}"
    exe = os.open(base + "/exe", os.O_PATH)
    foreign = os.fstat(exe).st_ino not in MINE
    if foreign:
        print("program", pid, protection(exe), flush=True)
        open("/tmp/seen", "w").close()
    os.close(exe)
    if os.stat(base + "/root").st_ino != os.stat("/").st_ino:
        print("root", pid, flush=True)
    for fd in os.listdir(base + "/fd"):
        target = os.readlink(f"{base}/fd/{fd}")
        if target.startswith(("/", "socket", "anon")) and target != "/dev/null":
            print("file", pid, fd, target, flush=True)
    if foreign:
        os.close(os.open(base + "/mem", os.O_RDWR))
        print("memory", pid, flush=True)
        if TRACE:  # it would never be let go again
            call("ptrace", PTRACE_SEIZE, pid, 0, 0)
            print("traced", pid, flush=True)
print("watching", flush=True)
known, rounds = {1, os.getpid()}, 0
while not os.path.exists("/tmp/stop"):
    rounds += 1
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in known:
            try:
                look(int(name))
            except OSError as error:
                pass  # not permitted, or gone already
print("rounds", rounds > 100, flush=True)
"""
EXECS, AT_MOST = 15, 300


async def watched(box: Box, wanted: HostConfig, *, until_seen: bool = False) -> str:
    """What a watcher in the container got of the processes that were joining it."""
    config = box.config(["sleep", "1000"], wanted)
    config["mounts"].append(
        {"destination": "/tmp", "type": "tmpfs", "source": "none", "options": ["mode=1777"]}
    )
    running = await box.start(config)
    rights = config["process"]["capabilities"]
    watcher = config["process"] | {
        "args": program(f"TRACE = {not wanted.cap_add}" + WATCH),
        "capabilities": rights,
    }
    session = await running.exec("watcher", watcher, stdin=False)
    said = b""
    while b"watching" not in said:
        said += (await bounded(session.stream.read()))[1]
    for number in range(AT_MOST):
        # Programs that open nothing: on a slow machine they are looked at, too.
        seen = await box.exec(running, ["sh", "-c", "[ -e /tmp/seen ] && echo seen"])
        if number >= EXECS and (seen or not until_seen):
            break
    await box.exec(running, ["mkdir", "/tmp/stop"])
    while (piece := await bounded(session.stream.read())) is not None:
        said += piece[1]
    await session.stream.close()
    await bounded(session.wait())
    return said.decode()


async def test_a_process_that_joins_shows_nothing_of_the_runtime(box: Box) -> None:
    """CVE-2016-9962, CVE-2019-5736: until its exec it must not be traced or looked into."""
    said = (await watched(box, HostConfig())).splitlines()
    assert said == ["watching", "rounds True"]


async def test_the_runtimes_program_cannot_be_written_even_by_who_may_trace(box: Box) -> None:
    """With CAP_SYS_PTRACE a joining process can be looked into: the kernel's and Docker's way."""
    said = await watched(box, HostConfig(cap_add=("SYS_PTRACE",)), until_seen=True)
    seen = {line.split()[2] for line in said.splitlines() if line.startswith("program")}
    assert seen and seen <= {"read-only", "sealed"}


async def test_a_file_on_the_way_of_the_runtime_is_not_believed(box: Box, tmp_path: Path) -> None:
    """The container's own libraries and passwd are not loaded by the process that joins."""
    trap = tmp_path / "trap"
    trap.write_text("import os; os.mkdir('/tmp/fallen')")
    config = box.config(["sleep", "1000"], UNCONFINED)
    for place in ("/sitecustomize.py", "/os.py", "/etc/passwd", "/etc/ld.so.preload"):
        config["mounts"].append(
            {"destination": place, "type": "bind", "source": str(trap), "options": ["bind"]}
        )
    running = await box.start(config)
    assert await box.exec(running, ["ls", "/tmp"]) == ""


STOP = """
import signal
print("watching", flush=True)
while True:
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in (1, os.getpid()):
            outcome(os.kill, int(name), signal.SIGSTOP)
"""


@pytest.mark.slow
async def test_who_stops_all_that_join_does_not_keep_the_engine(box: Box) -> None:
    """The container's root may signal them: the exec is given up, the container can be ended."""
    running = await box.start(box.config(["sleep", "1000"]))
    watcher = await running.exec("watcher", process(program(STOP), ("CAP_KILL",)), stdin=False)
    assert await bounded(watcher.stream.read()) == (1, b"watching\n")
    with suppress(EngineError):
        stopped = await bounded(running.exec("joins", process(["true"]), stdin=False))
        await stopped.stream.close()  # it was stopped only as a program of the container's
    await running.kill(9)
    assert (await bounded(running.wait())).code == 137
    await watcher.stream.close()
