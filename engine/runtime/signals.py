"""Signal numbers and calls for the processes that have to stay small.

The standard library's `signal` makes enumerations of every number, with a look-up in each call.
"""

import errno
import os
from _signal import (  # type: ignore[import-not-found]
    SIG_DFL,
    SIG_IGN,
    SIGCHLD,
    SIGKILL,
    SIGPIPE,
    SIGTERM,
    pidfd_send_signal,
    set_wakeup_fd,
    signal,
)

__all__ = [
    "SIGCHLD",
    "SIGKILL",
    "SIGPIPE",
    "SIGTERM",
    "SIG_DFL",
    "SIG_IGN",
    "pidfd_open",
    "pidfd_send_signal",
    "set_wakeup_fd",
    "signal",
]


def pidfd_open(pid: int) -> int:
    """A descriptor of the process. Raises ProcessLookupError when it has ended.

    Linux before 6.9 says EINVAL of one that has been dead for less than a moment.
    """
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise ProcessLookupError(errno.ESRCH, f"process {pid} has ended") from error
        raise
