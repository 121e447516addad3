"""NOTIFY_SOCKET: what the container's program tells systemd (sd_notify(3)) reaches the host.

As runc does: the container gets a socket of its own in a read-only bind mount, and `start` and
`run` pass its READY= on, together with the pid that systemd is to watch.
"""

import os
from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_INSIDE = "/run/notify"
_POLL_MS = 100


def socket_path(directory: str) -> str:
    """Where the container's socket is to be; "" when the caller has none to notify."""
    return f"{directory}/notify/notify.sock" if os.environ.get("NOTIFY_SOCKET") else ""


def extend(config: "dict[str, Any]", path: str) -> None:
    """Add the mount and the variable to a configuration that was not checked yet."""
    mount = {
        "destination": _INSIDE,
        "type": "bind",
        "source": os.path.dirname(path),
        "options": ["bind", "nosuid", "noexec", "nodev", "ro"],
    }
    if isinstance(config.get("mounts", []), list):
        config["mounts"] = [*config.get("mounts", ()), mount]
    process = config.get("process")
    if isinstance(process, dict) and isinstance(process.get("env", []), list):
        process["env"] = [*process.get("env", ()), f"NOTIFY_SOCKET={_INSIDE}/notify.sock"]


def make_directory(path: str) -> None:
    """The directory that is mounted; the program's user has to reach the socket in it."""
    os.mkdir(os.path.dirname(path), 0o755)


class Forwarder:
    """The container's socket, bound before the program runs."""

    def __init__(self, path: str) -> None:
        self._socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
        directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:  # an address holds 108 bytes, the path may be longer
            self._socket.bind(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
        finally:
            os.close(directory)
        os.chmod(path, 0o777)

    def forward(self, pidfd: int, pid: int) -> None:
        """Wait until the program is ready, or has ended, and tell the host."""
        import select

        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        poll.register(pidfd, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if self._socket.fileno() in ready:
                lines = self._socket.recv(4096).split(b"\n")
                found = [line for line in lines if line.startswith(b"READY=")]
                if found:
                    _tell(found[0], pid)
                    return
            elif pidfd in ready:
                return


def _tell(line: bytes, pid: int) -> None:
    host = os.environ["NOTIFY_SOCKET"]
    address = "\0" + host[1:] if host.startswith("@") else host
    with_host = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
    try:
        with_host.connect(address)
        with_host.send(line + b"\n")
        with_host.send(f"MAINPID={pid}\n".encode())
    finally:
        with_host.close()
