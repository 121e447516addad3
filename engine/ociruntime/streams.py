"""What a process of the container inherits: stdio, sockets of systemd's, and what callers preserve.

Follows runc: `LISTEN_FDS` descriptors come first (sd_listen_fds(3)), then `--preserve-fds` of them.
"""

import os

from engine.errors import InvalidArgument

STDIO = (0, 1, 2)
Streams = tuple[int, ...]


def listening() -> int:
    """How many sockets systemd handed to this very process."""
    count = os.environ.get("LISTEN_FDS", "")
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdigit():
        return 0
    return int(count)


def preserved(count: int) -> Streams:
    """The descriptors after stdio. Raises InvalidArgument for one that is not open.

    To be called before anything else is opened, which would take the missing one's number.
    """
    numbers = tuple(range(3, 3 + listening() + count))
    for fd in numbers:
        try:
            os.fstat(fd)
        except OSError as error:
            text = f"unable to stat preserved-fd {fd} (of {len(numbers)}): {error.strerror}"
            raise InvalidArgument(text) from error
    return numbers


def environment() -> list[str]:
    """What tells the program of the sockets that it was handed."""
    count = listening()
    return [f"LISTEN_FDS={count}", "LISTEN_PID=1"] if count else []
