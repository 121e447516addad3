"""System calls by ctypes: what they raise, and what the rest of a process does not notice."""

import ctypes
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.runtime import syscalls


def test_failure_names_the_call_and_the_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        syscalls.open_tree(syscalls.AT_FDCWD, str(tmp_path / "none"), 0)
    assert str(caught.value).endswith(f"open_tree {tmp_path}/none: No such file or directory")


def test_clone_gives_a_pid_and_a_descriptor_of_it() -> None:
    pid, pidfd = syscalls.clone3(0)
    if pid == 0:
        os._exit(7)
    assert os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT) is not None
    assert os.waitpid(pid, 0)[0] == pid
    with pytest.raises(ProcessLookupError):
        syscalls.pidfd_send_signal(pidfd, 0)
    os.close(pidfd)


def test_signal_by_descriptor_ends_that_process() -> None:
    pid, pidfd = syscalls.clone3(0)
    if pid == 0:
        signal.pause()
        os._exit(0)
    syscalls.pidfd_send_signal(pidfd, signal.SIGKILL)
    assert syscalls.exit_status(os.waitpid(pid, 0)[1]) == (137, 9)
    os.close(pidfd)


@pytest.mark.parametrize(
    ("status", "meaning"), [(0, (0, None)), (3 << 8, (3, None)), (9, (137, 9)), (139, (139, 11))]
)
def test_exit_status_is_the_shells(status: int, meaning: tuple[int, int | None]) -> None:
    assert syscalls.exit_status(status) == meaning


def test_link_cannot_leave_the_root(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    root = os.open(tmp_path, os.O_PATH)
    for resolve in (syscalls.RESOLVE_IN_ROOT, syscalls.RESOLVE_BENEATH):
        with pytest.raises(OSError) as caught:
            syscalls.openat2(root, "link", os.O_PATH, resolve=resolve)
        assert caught.value.errno in (errno.ENOENT, errno.EXDEV)
    os.close(root)


def test_descriptors_are_closed_on_exec_only() -> None:
    pid, pidfd = syscalls.clone3(0)
    if pid == 0:
        first = os.dup(0)
        os.set_inheritable(first, True)
        syscalls.close_range(first, flags=syscalls.CLOSE_RANGE_CLOEXEC)
        os._exit(int(os.get_inheritable(first)))
    assert os.waitpid(pid, 0)[1] == 0
    os.close(pidfd)


def test_what_init_needs_is_loaded_and_nothing_heavy_is() -> None:
    """A lazy import fails after the pivot, and every module costs each container's memory."""
    script = "import sys; import engine.runtime.init;print(*sorted(sys.modules))"
    out = subprocess.run(
        [sys.executable, "-S", "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()
    heavy = {"asyncio", "threading", "json", "socket", "subprocess", "engine.runtime.compiler"}
    assert heavy & set(out) == set()


def test_no_call_is_made_by_another_machines_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syscalls, "_numbers", {})
    with pytest.raises(OSError, match=r"capget: its number on .* is not known") as caught:
        syscalls.capget()
    assert caught.value.errno == errno.ENOSYS


def test_address_is_where_the_bytes_are() -> None:
    data = bytes(range(256)) * 20
    assert ctypes.string_at(syscalls._address(data), len(data)) == data
