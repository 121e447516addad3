"""Who the program runs as: user, groups, capabilities, no_new_privs, seccomp, environment."""

import _signal  # type: ignore[import-not-found]  # signal makes enumerations of all numbers
import errno
import os
import stat

from engine.runtime import capabilities, syscalls
from engine.runtime.plan import ExecPlan

from .channel import LISTENER, Channel

_KEYRING_REFUSALS = (errno.EPERM, errno.ENOSYS, errno.EDQUOT, errno.EACCES)
# 9 and 19 are fixed by the kernel, 32 and 33 are the C library's own.
_HIDDEN_SIGNALS = (32, 33)
_SIGNALS = tuple(number for number in range(1, 65) if number not in (9, 19, *_HIDDEN_SIGNALS))
_LARGEST_PASSWD = 4 * 1024 * 1024


def leave_keyring() -> None:
    """Leave the keys of whoever started the engine behind, where the kernel permits."""
    try:
        syscalls.new_session_keyring()
    except OSError as error:
        if error.errno not in _KEYRING_REFUSALS:
            raise


def become(plan: ExecPlan, channel: Channel) -> list[str]:
    """Switch to the plan's user with the plan's capabilities; returns warnings.

    Follows runc's order: a filter that must be loaded with privilege comes before the user
    changes; with no_new_privs it is left to the last moment (`load_seccomp`).
    """
    if plan.no_new_privileges:
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    else:
        load_seccomp(plan, channel)
    sets, missing = capabilities.available(plan.capabilities)
    capabilities.drop_bounding(plan.capabilities.bounding)
    syscalls.prctl(syscalls.PR_SET_KEEPCAPS, 1)
    _set_ids(plan)
    syscalls.prctl(syscalls.PR_SET_KEEPCAPS, 0)
    capabilities.apply(sets)
    os.umask(plan.umask)
    return [f"capability {name} is not available" for name in capabilities.words(missing)]


def _set_ids(plan: ExecPlan) -> None:
    try:
        os.setgroups(plan.groups)
    except PermissionError:
        if plan.groups:
            raise  # in a user namespace with setgroups denied, nobody asked for any
    os.setresgid(plan.gid, plan.gid, plan.gid)
    os.setresuid(plan.uid, plan.uid, plan.uid)


def load_seccomp(plan: ExecPlan, channel: Channel) -> None:
    """Load the plan's filter, if it has one; it holds for everything from here on.

    A listener is told at once, because any call after this one may wait for it.
    """
    if not plan.seccomp:
        return
    if not has_listener(plan):
        syscalls.seccomp_set_filter(plan.seccomp, plan.seccomp_flags)
        return
    channel.send(LISTENER, syscalls.seccomp_set_filter(plan.seccomp, plan.seccomp_flags))


def has_listener(plan: ExecPlan) -> bool:
    """Whether somebody answers for calls; then the filter is loaded while there is a maker."""
    return bool(plan.extras and plan.extras.listener)


def own_streams(uid: int, terminal: bool) -> None:
    """Let the user reopen its pipes or its terminal by /dev/stdout; nothing else is given away."""
    for fd in (0, 1, 2):
        status = os.fstat(fd)
        if status.st_uid == uid or not (terminal or stat.S_ISFIFO(status.st_mode)):
            continue
        try:
            os.fchown(fd, uid, -1)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EPERM, errno.EROFS):
                raise


def environment(plan: ExecPlan) -> dict[bytes, bytes]:
    """The program's environment; a missing HOME comes from the container's /etc/passwd."""
    result = {}
    for entry in plan.env:
        name, equals, value = os.fsencode(entry).partition(b"=")
        if equals:
            result[name] = value
    if not result.get(b"HOME"):
        result[b"HOME"] = _home(plan.uid)
    return result


def _home(uid: int) -> bytes:
    for line in _passwd().split(b"\n"):
        fields = line.split(b":")
        if len(fields) >= 6 and fields[2] == str(uid).encode():
            return fields[5] or b"/"
    return b"/"


def _passwd() -> bytes:
    """The container's /etc/passwd, unless it is something that must not be waited for."""
    try:
        fd = os.open("/etc/passwd", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return b""  # an image without users
    try:
        status = os.fstat(fd)
        regular = stat.S_ISREG(status.st_mode)
        return os.read(fd, min(status.st_size, _LARGEST_PASSWD)) if regular else b""
    finally:
        os.close(fd)


def default_signals() -> None:
    """Undo what survives an exec: ignored signals and the mask."""
    for number in _SIGNALS:
        if _signal.getsignal(number) != _signal.SIG_DFL:
            _signal.signal(number, _signal.SIG_DFL)
    for number in _HIDDEN_SIGNALS:
        syscalls.default_action(number)  # GNU make leaves 32 ignored, and Python cannot see it
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
