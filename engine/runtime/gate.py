"""How a container is started by another process than made it: two FIFOs that outlive their maker.

An OCI runtime's `create` exits and leaves init waiting; a later `start` finds the FIFOs in the
container's directory. Init holds one descriptor for reading and writing of each, opened before it
was cloned, so that nothing has to be opened or connected under the container's seccomp policy.

From `start`: one byte. From init: GO when it is about to execute, then nothing but the end of
file; or an `error` message as in `init.channel`, with or without GO before it.
"""

import errno
import marshal
import os

from engine.errors import RuntimeFailure

ENTRY, ANSWER = "start.fifo", "started.fifo"
GO = b"\0"
_LARGEST = 64 * 1024


def make(directory: str) -> tuple[int, int]:
    """Make both FIFOs in `directory`, and open them for init; the caller closes them."""
    opened: list[int] = []
    try:
        for name in (ENTRY, ANSWER):
            os.mkfifo(f"{directory}/{name}", 0o600)
            opened.append(os.open(f"{directory}/{name}", os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        for fd in opened:
            os.close(fd)
        raise
    return opened[0], opened[1]


def wait(entry: int) -> None:
    """Block until somebody asks for the start."""
    os.read(entry, 1)


def tell(answer: int) -> None:
    """Say that the program is executed next."""
    os.write(answer, GO)


def release(directory: str) -> None:
    """Have the init that waits in `directory` execute its program; blocks until it has.

    The caller has made sure that init lives, and that nobody else releases it. Raises
    RuntimeFailure with the step that failed.
    """
    answer = os.open(f"{directory}/{ANSWER}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.set_blocking(answer, True)
        _ask(f"{directory}/{ENTRY}")
        _judge(_read_all(answer))
    finally:
        os.close(answer)


def _ask(path: str) -> None:
    try:
        entry = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ENXIO:  # nobody holds the other end
            raise
        raise _died() from error
    try:
        os.write(entry, GO)
    finally:
        os.close(entry)


def _read_all(fd: int) -> bytes:
    parts = []
    while part := os.read(fd, _LARGEST):
        parts.append(part)
    return b"".join(parts)


def _judge(told: bytes) -> None:
    message = told.removeprefix(GO)
    if message:
        _, step, _, text = marshal.loads(message)
        raise RuntimeFailure(text if step in ("lookup", "exec") else f"{step}: {text}")
    if not told:
        raise _died()


def _died() -> RuntimeFailure:
    return RuntimeFailure("the container's init died before it could be started")
