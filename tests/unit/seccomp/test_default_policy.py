"""Docker's default policy, in words and in the kernel."""

import errno
import os
import platform
import socket
from collections.abc import Callable

import pytest

from engine.runtime import seccomp, syscalls
from engine.runtime.syscall_numbers import NUMBERS
from tests.unit.seccomp.machine import decide

X86_64, I386 = 0xC000003E, 0x40000003
ALLOW, EPERM, ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
CLONE_NEWUSER, CLONE_THREAD = 0x10000000, 0x10000


def ask(name: str, *arguments: int, capabilities: tuple[str, ...] = ()) -> int:
    profile = seccomp.default_profile(capabilities, "x86_64", kernel=(6, 1))
    program = seccomp.compile(profile, "x86_64")
    return decide(program, X86_64, NUMBERS["x86_64"][name], arguments)


@pytest.mark.parametrize("name", ["read", "openat2", "execve", "mknod", "seccomp", "ptrace"])
def test_everyday_calls_pass(name: str) -> None:
    assert ask(name) == ALLOW


@pytest.mark.parametrize(
    ("capability", "name"),
    [
        ("CAP_SYS_ADMIN", "mount"),
        ("CAP_SYS_ADMIN", "unshare"),
        ("CAP_SYS_ADMIN", "setns"),
        ("CAP_SYS_ADMIN", "bpf"),
        ("CAP_BPF", "bpf"),
        ("CAP_PERFMON", "perf_event_open"),
        ("CAP_SYS_PTRACE", "kcmp"),
        ("CAP_SYS_CHROOT", "chroot"),
        ("CAP_SYS_MODULE", "init_module"),
        ("CAP_SYS_BOOT", "reboot"),
        ("CAP_SYS_TIME", "clock_settime"),
        ("CAP_SYS_NICE", "mbind"),
        ("CAP_SYSLOG", "syslog"),
        ("CAP_SYS_RAWIO", "iopl"),
        ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    ],
)
def test_a_capability_opens_its_calls(capability: str, name: str) -> None:
    assert ask(name) == EPERM
    assert ask(name, capabilities=(capability,)) == ALLOW


@pytest.mark.parametrize("name", ["kexec_load", "add_key", "keyctl", "io_uring_setup", "swapon"])
def test_nobody_gets_these(name: str) -> None:
    assert ask(name, capabilities=("CAP_SYS_ADMIN", "CAP_SYS_BOOT")) == EPERM


def test_threads_yes_namespaces_no() -> None:
    assert ask("clone", CLONE_THREAD) == ALLOW
    assert ask("clone", CLONE_NEWUSER) == EPERM
    assert ask("clone", CLONE_NEWUSER, capabilities=("CAP_SYS_ADMIN",)) == ALLOW


def test_clone3_seems_not_to_exist() -> None:
    assert ask("clone3") == ENOSYS
    assert ask("clone3", capabilities=("CAP_SYS_ADMIN",)) == ALLOW


def test_personalities() -> None:
    for value in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF):
        assert ask("personality", value) == ALLOW
    assert ask("personality", 0x0040000) == EPERM  # ADDR_NO_RANDOMIZE


def test_vsock_is_kept_out() -> None:
    assert ask("socket", socket.AF_INET) == ALLOW
    assert ask("socket", 40) == EPERM


def test_tracing_waits_for_linux_4_8() -> None:
    old = seccomp.compile(seccomp.default_profile((), "x86_64", kernel=(4, 7)), "x86_64")
    assert decide(old, X86_64, NUMBERS["x86_64"]["ptrace"]) == EPERM


def in_filtered_child(body: Callable[[], int]) -> int:
    """Fork, load the default filter as a container without capabilities would, run, exit."""
    program = seccomp.compile(seccomp.default_profile())
    pid = os.fork()
    if pid == 0:
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        syscalls.seccomp_set_filter(program)
        os._exit(body())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def errno_of(call: Callable[[], object]) -> int:
    try:
        call()
    except OSError as error:
        return error.errno or 0
    return 0


def test_the_kernel_takes_the_filter() -> None:
    def mode() -> int:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("Seccomp:"))

    assert in_filtered_child(mode) == 2


def test_a_filtered_process_still_works() -> None:
    def work() -> int:
        listing = os.listdir("/proc/self/fd")
        child = os.fork()
        if child == 0:
            os.execv("/bin/true", ["true"])
        return os.waitpid(child, 0)[1] if listing else 1

    assert in_filtered_child(work) == 0


def test_the_kernel_refuses_a_new_namespace() -> None:
    assert in_filtered_child(lambda: errno_of(lambda: syscalls.unshare(0))) == errno.EPERM


def test_the_kernel_hides_clone3() -> None:
    assert in_filtered_child(lambda: errno_of(lambda: syscalls.clone3(0))) == errno.ENOSYS


def test_the_kernel_refuses_vsock() -> None:
    def open_socket() -> object:
        return socket.socket(40, socket.SOCK_STREAM)

    assert in_filtered_child(lambda: errno_of(open_socket)) == errno.EPERM


@pytest.mark.skipif(platform.machine() != "x86_64", reason="looks at i386's numbers")
def test_32_bit_programs_are_filtered_too() -> None:
    program = seccomp.compile(seccomp.default_profile())
    assert decide(program, I386, NUMBERS["i386"]["mount"]) == EPERM
    assert decide(program, I386, NUMBERS["i386"]["openat"]) == ALLOW
