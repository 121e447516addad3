"""The directory of one container at run time: names in it, and the way to its socket.

An AF_UNIX address holds 108 bytes, a bundle's path may be longer: both sides name the socket
through an open descriptor of the directory.
"""

import os

CONFIG = "config.json"
STATE = "state.json"
SOCKET = "monitor.sock"
MONITOR_LOG = "monitor.log"

_CHUNK = 8192


def open_directory(bundle: str) -> int:
    """A descriptor of the bundle that only serves to name files in it; the caller closes it."""
    return os.open(bundle, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def socket_address(directory: int) -> str:
    """The monitor's socket as an address that always fits, while `directory` is open."""
    return f"/proc/self/fd/{directory}/{SOCKET}"


def write_atomic(path: str, data: bytes, *, durable: bool) -> None:
    """Replace `path` by `data` so that a reader sees the old file or the new one, never a part.

    `durable` also waits for the disk; without it the file survives a crash of processes only.
    """
    temporary = f"{path}.{os.getpid()}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        if durable:
            os.fsync(descriptor)
        os.replace(temporary, path)
    except OSError:
        unlink(temporary)
        raise
    finally:
        os.close(descriptor)


def sync(path: str) -> None:
    """Wait until the disk has the file; one that has gone is fine."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unlink(path: str) -> None:
    """Remove a file; one that is already gone is what we want."""
    try:  # noqa: SIM105 (no monitor pays for contextlib)
        os.unlink(path)
    except FileNotFoundError:
        pass


def read_bytes(path: str) -> bytes | None:
    """The whole of a small file; None when there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        parts = []
        while part := os.read(descriptor, _CHUNK):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)
