"""One engine a directory: a lock the kernel drops when its holder dies, however it dies."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import AlreadyInUse

_log = logging.getLogger(__name__)

_WIDTH = 32


@contextmanager
def hold(path: Path, *, name: str = "data", option: str = "--data-dir") -> Iterator[None]:
    """Hold the lock of a directory; the file says who holds it.

    Args:
        name, option: what the directory is for, and how another is given.

    Raises:
        AlreadyInUse: names the other engine's pid.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(descriptor, _WIDTH).decode().strip() or "unknown"
            raise AlreadyInUse(
                f"{name} directory {path.parent} is in use by the engine with pid {pid}: "
                f"stop that one first, or give another {option}"
            ) from None
        _sign(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _sign(descriptor: int, path: Path) -> None:
    """Over what is there: a full disk has room for that, and keeps nobody from the lock."""
    try:
        os.pwrite(descriptor, f"{os.getpid()}\n".encode().ljust(_WIDTH), 0)
    except OSError as error:
        _log.warning("cannot write who holds %s: %s", path, error)


def holder(path: Path) -> int | None:
    """The pid of the engine that holds the lock; None when nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(descriptor, _WIDTH).decode().strip()
        return int(text) if text.isdecimal() else None
    finally:
        os.close(descriptor)
    return None
