"""Signal numbers and calls for the processes that have to stay small.

The standard library's `signal` makes enumerations of every number, with a look-up in each call.
"""

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
    "pidfd_send_signal",
    "set_wakeup_fd",
    "signal",
]
