"""The API's socket: who may reach it, and what to do with one that lies there already."""

import os
import socket
import stat
from pathlib import Path

from engine.errors import AlreadyInUse
from engine.runtime import userns

# Above this the kernel does not take the path (unix(7): 108 bytes with the terminator).
MAX_PATH = 107
_BACKLOG = 128


def listen(path: Path) -> socket.socket:
    """A listening socket that its owner, and for the machine's root also its group, may use.

    Raises:
        AlreadyInUse: an engine answers there, or what lies there is no socket.
        OSError: the path cannot be bound.
    """
    if len(os.fsencode(path)) > MAX_PATH:
        raise OSError(f"socket path longer than {MAX_PATH} bytes: {path}")
    _clear(path)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o711 if _is_root() else 0o700)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117 if _is_root() else 0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"bind: {error.strerror}", str(path)) from None
    finally:
        os.umask(before)
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener


def answers(path: Path) -> bool:
    """Whether anybody accepts connections there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(2)
        try:
            client.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            return False
        except TimeoutError:
            return True  # a full backlog: somebody listens and is busy
    return True


def _clear(path: Path) -> None:
    """Remove a socket that an engine which died has left."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise AlreadyInUse(f"{path} exists and is no socket: move it away, or give --socket")
    if answers(path):
        raise AlreadyInUse(f"an engine answers at {path} already")
    path.unlink(missing_ok=True)


def _is_root() -> bool:
    return os.geteuid() == 0 and not userns.rootless()
