"""The system calls Python has no name for: the only file with ctypes.

One small function a call. Each raises OSError with the errno and the call with its path, so that
a failure can be read without a trace.
"""

import ctypes
import errno
import os
import struct

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_get_errno = ctypes.get_errno

CLONE_NEWTIME = 0x00000080
CLONE_PIDFD = 0x00001000
CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_INTO_CGROUP = 0x200000000
_SIGCHLD = 17

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOVE_MOUNT_T_EMPTY_PATH = 0x40
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10
CLOSE_RANGE_CLOEXEC = 4

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4
SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_NEW_LISTENER = 8
KEYCTL_JOIN_SESSION_KEYRING = 1
IN_MODIFY = 2
BPF_PROG_LOAD, BPF_PROG_ATTACH = 5, 8
BPF_PROG_TYPE_CGROUP_DEVICE = 15
BPF_CGROUP_DEVICE = 6
BPF_F_ALLOW_MULTI = 2
_BPF_ATTRIBUTES = 128  # bytes of the union, more than is used of it
_CAPABILITY_VERSION_3 = 0x20080522

# Numbers from pidfd_send_signal (424) up are the same on every architecture.
_NR_PIDFD_SEND_SIGNAL, _NR_OPEN_TREE, _NR_MOVE_MOUNT = 424, 428, 429
_NR_CLONE3, _NR_CLOSE_RANGE, _NR_OPENAT2, _NR_MOUNT_SETATTR = 435, 436, 437, 442
_X86_64 = {
    "pivot_root": 155,
    "keyctl": 250,
    "seccomp": 317,
    "capget": 125,
    "capset": 126,
    "bpf": 321,
    "rt_sigaction": 13,
    "personality": 135,
    "ioprio_set": 251,
    "sched_setattr": 314,
    "madvise": 28,
}
# include/uapi/asm-generic/unistd.h
_GENERIC = {
    "pivot_root": 41,
    "keyctl": 219,
    "seccomp": 277,
    "capget": 90,
    "capset": 91,
    "bpf": 280,
    "rt_sigaction": 134,
    "personality": 92,
    "ioprio_set": 30,
    "sched_setattr": 274,
    "madvise": 233,
}
_NUMBERS = {"x86_64": _X86_64} | dict.fromkeys(("aarch64", "riscv64", "loongarch64"), _GENERIC)
_MACHINE = os.uname().machine
_numbers = _NUMBERS.get(_MACHINE, {})

_libc.mount.argtypes = (
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_char_p,
)
_libc.umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)
_libc.prctl.argtypes = (ctypes.c_int, *([ctypes.c_ulong] * 4))
_libc.setns.argtypes = (ctypes.c_int, ctypes.c_int)
_libc.unshare.argtypes = (ctypes.c_int,)
_libc.sethostname.argtypes = (ctypes.c_char_p, ctypes.c_size_t)
_libc.setdomainname.argtypes = (ctypes.c_char_p, ctypes.c_size_t)

_long = ctypes.c_long
# A new ctypes array type dirties some hundred pages, so it is not left to a forked process.
_CapabilitySets = ctypes.c_char * 24
Path = str | bytes


def _fail(call: str, what: Path | None = None) -> OSError:
    number = _get_errno()
    said = call if what is None else f"{call} {os.fsdecode(what)}"
    return OSError(number, f"{said}: {os.strerror(number)}")


def _encode(path: Path | None) -> bytes | None:
    return None if path is None else os.fsencode(path)


def _number(call: str) -> int:
    """The call's number here. Another machine's number would be another call, made as root."""
    if call not in _numbers:
        raise OSError(errno.ENOSYS, f"{call}: its number on {_MACHINE} is not known")
    return _numbers[call]


def call(name: str, *arguments: int | bytes | None, number: int | None = None) -> int:
    """A call too rare for a function of its own here; `number` where all machines have the same."""
    words = (_long(each) if isinstance(each, int) else each for each in arguments)
    result = int(_syscall(_long(_number(name) if number is None else number), *words))
    if result < 0:
        raise _fail(name)
    return result


def _address(data: bytes) -> int:
    """Where `data` lies, for as long as the caller holds it; no array type is made for it."""
    return ctypes.c_void_p.from_buffer(ctypes.c_char_p(data)).value or 0


# --- processes ---------------------------------------------------------------------------------

_DEFAULT_ACTION = bytes(32)  # struct sigaction of the kernel: SIG_DFL, no flags, an empty mask
_SIGSET_SIZE = 8


def default_action(signal: int) -> None:
    """Set SIG_DFL, also for the two signals the C library keeps for itself and hides (32, 33)."""
    number = _number("rt_sigaction")
    if _syscall(_long(number), _long(signal), _DEFAULT_ACTION, None, _long(_SIGSET_SIZE)) < 0:
        raise _fail("rt_sigaction", str(signal))


def clone3(flags: int, *, cgroup_fd: int | None = None) -> tuple[int, int]:
    """Fork with `CLONE_*` flags: (pid, pidfd) in the parent, (0, -1) in the child.

    The memory is copied as by fork(2). Python's own fork hooks do not run, so the caller must be
    single-threaded. `cgroup_fd` (an open cgroup v2 directory) makes the child be born there.
    """
    pidfd = ctypes.c_int(-1)
    flags |= CLONE_PIDFD
    if cgroup_fd is not None:
        flags |= CLONE_INTO_CGROUP
    exit_signal = 0 if flags & CLONE_PARENT else _SIGCHLD
    fields = (flags, ctypes.addressof(pidfd), 0, 0, exit_signal, 0, 0, 0, 0, 0, cgroup_fd or 0)
    arguments = struct.pack("=11Q", *fields)
    pid = _syscall(_long(_NR_CLONE3), arguments, _long(len(arguments)))
    if pid < 0:
        raise _fail("clone3", f"flags {flags:#x}")
    return (pid, pidfd.value) if pid else (0, -1)


def unshare(flags: int) -> None:
    """Leave the named namespaces for new ones (unshare(2))."""
    if _libc.unshare(flags) < 0:
        raise _fail("unshare", f"flags {flags:#x}")


def setns(fd: int, flags: int) -> None:
    """Join the namespace of `fd`, or with a pidfd all the namespaces in `flags`."""
    if _libc.setns(fd, flags) < 0:
        raise _fail("setns", f"flags {flags:#x}")


def pidfd_send_signal(pidfd: int, signal: int) -> None:
    """Signal exactly that process; ProcessLookupError when it is gone."""
    call("pidfd_send_signal", pidfd, signal, None, 0, number=_NR_PIDFD_SEND_SIGNAL)


def exit_status(status: int) -> tuple[int, int | None]:
    """(exit code, signal) of a wait status; the code is 128+signal when signalled."""
    code = os.waitstatus_to_exitcode(status)
    return (code, None) if code >= 0 else (128 - code, -code)


def close_range(first: int, last: int = 0xFFFFFFFF, flags: int = 0) -> None:
    """Close descriptors, or mark them close-on-exec with CLOSE_RANGE_CLOEXEC."""
    call("close_range", first, last, flags, number=_NR_CLOSE_RANGE)


def prctl(option: int, arg2: int = 0, arg3: int = 0) -> int:
    """prctl(2) with integer arguments."""
    result = int(_libc.prctl(option, arg2, arg3, 0, 0))
    if result < 0:
        raise _fail("prctl", f"option {option}")
    return result


def set_child_subreaper(on: bool = True) -> None:
    """Make this process the parent of its descendants' orphans."""
    prctl(PR_SET_CHILD_SUBREAPER, int(on))


def set_parent_death_signal(signal: int) -> None:
    """Ask for `signal` when the parent dies; 0 takes it back."""
    prctl(PR_SET_PDEATHSIG, signal)


def set_dumpable(on: bool) -> None:
    """Whether processes of the same user may trace this one or look into its /proc."""
    prctl(PR_SET_DUMPABLE, int(on))


# --- mounts ------------------------------------------------------------------------------------


def mount(source: Path | None, target: Path, kind: str | None, flags: int, data: Path = "") -> None:
    """mount(2)."""
    done = _libc.mount(
        _encode(source), os.fsencode(target), _encode(kind), flags, os.fsencode(data) or None
    )
    if done < 0:
        raise _fail("mount", f"{kind or 'none'} on {os.fsdecode(target)}")


def umount(target: Path, flags: int = 0) -> None:
    """umount2(2)."""
    if _libc.umount2(os.fsencode(target), flags) < 0:
        raise _fail("umount", target)


def pivot_root(new_root: Path, put_old: Path) -> None:
    """pivot_root(2)."""
    number = _long(_number("pivot_root"))
    if _syscall(number, os.fsencode(new_root), os.fsencode(put_old)) < 0:
        raise _fail("pivot_root", new_root)


def open_tree(directory: int, path: Path, flags: int) -> int:
    """A close-on-exec descriptor of a mount, or with OPEN_TREE_CLONE of a detached copy of it."""
    encoded, flags = os.fsencode(path), flags | OPEN_TREE_CLOEXEC
    fd = int(_syscall(_long(_NR_OPEN_TREE), _long(directory), encoded, _long(flags)))
    if fd < 0:
        raise _fail("open_tree", path)
    return fd


def move_mount(source: int, target: int) -> None:
    """Attach the (detached) mount of descriptor `source` on top of descriptor `target`."""
    flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
    done = _syscall(_long(_NR_MOVE_MOUNT), _long(source), b"", _long(target), b"", _long(flags))
    if done < 0:
        raise _fail("move_mount")


def mount_setattr(
    fd: int,
    *,
    attributes: int = 0,
    clear: int = 0,
    propagation: int = 0,
    recursive: bool = False,
    user_namespace: int = 0,
) -> None:
    """Change only the given attributes of a mount, or of the whole tree; others stay as locked."""
    arguments = struct.pack("=4Q", attributes, clear, propagation, user_namespace)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    number = _long(_NR_MOUNT_SETATTR)
    if _syscall(number, _long(fd), b"", _long(flags), arguments, _long(len(arguments))) < 0:
        raise _fail("mount_setattr", f"{attributes:#x}")


def openat2(directory: int, path: Path, flags: int, *, mode: int = 0, resolve: int) -> int:
    """Open below `directory` under RESOLVE_* rules; always close-on-exec."""
    how = struct.pack("=3Q", flags | os.O_CLOEXEC, mode, resolve)
    encoded = os.fsencode(path)
    fd = int(_syscall(_long(_NR_OPENAT2), _long(directory), encoded, how, _long(len(how))))
    if fd < 0:
        raise _fail("open", path)
    return fd


# --- privileges --------------------------------------------------------------------------------


def capget() -> tuple[int, int, int]:
    """This process's (effective, permitted, inheritable) sets as bit masks."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    data = _CapabilitySets()
    if _syscall(_long(_number("capget")), header, data) < 0:
        raise _fail("capget")
    low, high = struct.unpack("=3I", data.raw[:12]), struct.unpack("=3I", data.raw[12:])
    effective, permitted, inheritable = (a | b << 32 for a, b in zip(low, high, strict=True))
    return effective, permitted, inheritable


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """Set this process's capability sets."""
    sets = (effective, permitted, inheritable)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    data = struct.pack("=6I", *(s & 0xFFFFFFFF for s in sets), *(s >> 32 for s in sets))
    call("capset", header, data)


def seccomp_set_filter(program: bytes, flags: int = 0) -> int:
    """Load a BPF program (8 bytes an instruction) as this thread's filter.

    With SECCOMP_FILTER_FLAG_NEW_LISTENER a close-on-exec descriptor of its notifications.
    """
    fprog = struct.pack("@HP", len(program) // 8, _address(program))
    return call("seccomp", SECCOMP_SET_MODE_FILTER, flags, fprog)


def new_session_keyring() -> None:
    """Give this process a session keyring of its own; without a name nobody else can join it."""
    call("keyctl", KEYCTL_JOIN_SESSION_KEYRING, None)


def sethostname(name: str) -> None:
    """The host name of this UTS namespace."""
    encoded = os.fsencode(name)
    if _libc.sethostname(encoded, len(encoded)) < 0:
        raise _fail("sethostname", encoded)


def setdomainname(name: str) -> None:
    """The NIS domain name of this UTS namespace."""
    encoded = os.fsencode(name)
    if _libc.setdomainname(encoded, len(encoded)) < 0:
        raise _fail("setdomainname", encoded)


# --- files -------------------------------------------------------------------------------------


def syncfs(fd: int) -> None:
    """Write back the whole file system that an open file is on, and no other."""
    if _libc.syncfs(fd) < 0:
        raise _fail("syncfs")


# --- control groups ----------------------------------------------------------------------------


def inotify_modify(path: Path) -> int:
    """A close-on-exec, non-blocking inotify descriptor, readable when the file is modified."""
    fd = int(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
    if fd < 0:
        raise _fail("inotify_init1")
    if _libc.inotify_add_watch(fd, os.fsencode(path), IN_MODIFY) < 0:
        error = _fail("inotify_add_watch", os.fsencode(path))
        os.close(fd)
        raise error
    return fd


def bpf_load_device_program(instructions: bytes) -> int:
    """Load a BPF_PROG_TYPE_CGROUP_DEVICE program (8 bytes an instruction); a descriptor of it."""
    license_name = b"Apache-2.0"
    attributes = struct.pack(
        "=IIQQ",
        BPF_PROG_TYPE_CGROUP_DEVICE,
        len(instructions) // 8,
        _address(instructions),
        _address(license_name),
    )
    return _bpf(BPF_PROG_LOAD, attributes)


def bpf_attach_device_program(cgroup_fd: int, program_fd: int) -> None:
    """Let the program decide for a cgroup v2, beside the programs that are attached already."""
    attributes = struct.pack("=4I", cgroup_fd, program_fd, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI)
    _bpf(BPF_PROG_ATTACH, attributes)


def _bpf(command: int, attributes: bytes) -> int:
    return call("bpf", command, attributes.ljust(_BPF_ATTRIBUTES, b"\0"), _BPF_ATTRIBUTES)
