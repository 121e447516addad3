"""Finding the program inside the container and executing it, with Docker's words when it fails."""

import errno
import os
import stat
from typing import NoReturn

from .channel import StepFailed

_MAX_INTERPRETERS = 5  # as far as the kernel follows `#!`


def find(program: str, path: str) -> str:
    """What execve is to be given: `program` itself, or where PATH has it.

    Raises StepFailed, errno ENOENT when there is none and EACCES when it cannot be executed.
    """
    if "/" in program:
        _check(program)
        return program
    for directory in path.split(":") if path else ():
        candidate = f"{directory or '.'}/{program}"
        if _executable(candidate):
            return candidate
    text = f'exec: "{program}": executable file not found in $PATH'
    raise StepFailed("lookup", errno.ENOENT, text)


def _check(program: str) -> None:
    try:
        mode = os.stat(program).st_mode
    except OSError as error:
        text = f'exec: "{program}": {os.strerror(error.errno or 0).lower()}'
        raise StepFailed("lookup", error.errno or errno.ENOENT, text) from error
    if stat.S_ISDIR(mode):
        raise StepFailed("lookup", errno.EISDIR, f'exec: "{program}": is a directory')
    if not _executable(program):
        raise StepFailed("lookup", errno.EACCES, f'exec: "{program}": permission denied')


def _executable(path: str) -> bool:
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False  # not there, or not for this user: the next directory may have it
    return regular and os.access(path, os.X_OK, effective_ids=True)


def refuse_own_binary(path: str, own: tuple[int, int]) -> None:
    """Refuse to execute this runtime's interpreter, which lies on the host.

    /proc/self/exe, alone or behind `#!`, would run it inside the container, from where it could
    then be overwritten (CVE-2019-5736).
    """
    for _ in range(_MAX_INTERPRETERS):
        try:
            status = os.stat(path)
        except OSError:
            return  # execve will say so
        if (status.st_dev, status.st_ino) == own:
            raise StepFailed("lookup", errno.EACCES, f'exec: "{path}": permission denied')
        interpreter = _interpreter(path)
        if interpreter is None:
            return
        path = interpreter


def _interpreter(path: str) -> str | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return None  # unreadable for this user, who then cannot write the host's files either
    try:
        head = os.read(fd, 256)
    finally:
        os.close(fd)
    words = head[2:].split(b"\n")[0].split()
    return os.fsdecode(words[0]) if head.startswith(b"#!") and words else None


def execute(path: str, args: tuple[str, ...], environment: dict[bytes, bytes]) -> NoReturn:
    """Become the program. Raises StepFailed with the kernel's reason."""
    try:
        os.execve(path, args, environment)
    except OSError as error:
        text = f"exec {path}: {os.strerror(error.errno or 0).lower()}"
        raise StepFailed("exec", error.errno or 0, text) from error
