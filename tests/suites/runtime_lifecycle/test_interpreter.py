"""The host's interpreter is out of reach of whoever is root in a container (CVE-2019-5736)."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.runtime import syscalls
from engine.runtime.interpreter import read_only_clone
from engine.runtime.launcher import Launcher

from .conftest import Host, bounded

_AGAIN = """
import os, sys
open_it = "import os; os.open('/proc/self/exe', os.O_WRONLY | os.O_TRUNC)"
os.execv("/proc/self/exe", [sys.executable, "-I", "-S", "-c", open_it])
"""


@pytest.fixture(autouse=True)
def _clones() -> None:
    """Skips where the kernel cannot clone a mount."""
    try:
        fd = syscalls.open_tree(syscalls.AT_FDCWD, sys.executable, syscalls.OPEN_TREE_CLONE)
    except OSError as error:
        pytest.skip(f"needs open_tree: {error}")
    os.close(fd)


def assert_read_only(pid: int | None) -> None:
    path = f"/proc/{pid}/exe"
    assert Path(path).samefile(sys.executable)
    assert os.statvfs(path).f_flag & os.ST_RDONLY
    with pytest.raises(OSError) as refused:  # the text is busy, too, which is told later
        os.open(path, os.O_WRONLY | os.O_TRUNC)
    assert refused.value.errno == errno.EROFS


async def test_zygote_monitor_and_init_run_from_a_read_only_clone(
    host: Host, launcher: Launcher
) -> None:
    monitor = await host.create(launcher, "box", ["true"])

    for pid in (launcher.zygote_pid, monitor.monitor_pid, monitor.pid):
        assert_read_only(pid)


async def test_a_zygote_started_again_is_one_too(host: Host, launcher: Launcher) -> None:
    assert launcher.zygote_pid is not None
    os.kill(launcher.zygote_pid, 9)

    monitor = await host.create(launcher, "box", ["true"])

    assert_read_only(monitor.monitor_pid)


async def test_the_zygote_keeps_no_descriptor_of_it(launcher: Launcher) -> None:
    files = Path(f"/proc/{launcher.zygote_pid}/fd").iterdir()
    assert not [file for file in files if file.samefile(sys.executable)]


async def test_without_the_right_to_clone_it_starts_plainly(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(directory: int, path: str, flags: int) -> int:
        raise PermissionError(errno.EPERM, "open_tree")

    monkeypatch.setattr(syscalls, "open_tree", refuse)

    launcher = await host.launcher()

    monitor = await host.create(launcher, "box", ["true"])
    await monitor.start()
    assert (await bounded(monitor.wait())).code == 0


def test_a_program_that_is_the_interpreter_again_cannot_write_to_it() -> None:
    """What a container would run if it got past the look at the program's file."""
    clone = read_only_clone(os.path.realpath(sys.executable))
    assert clone is not None
    try:
        again = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _AGAIN],
            executable=f"/proc/self/fd/{clone}",
            pass_fds=(clone,),
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.close(clone)
    assert "Read-only file system: '/proc/self/exe'" in again.stderr
