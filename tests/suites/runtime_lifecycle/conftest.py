"""The words of this suite's tests; its fixtures are those of all suites (`tests/suites`)."""

from tests.suites.host import (
    BOUND,
    BUSYBOX,
    Config,
    Host,
    bounded,
    log_text,
    process,
    read_all,
    read_until,
    until,
    until_quiet,
)

__all__ = [
    "BOUND",
    "BUSYBOX",
    "Config",
    "Host",
    "bounded",
    "log_text",
    "process",
    "read_all",
    "read_until",
    "until",
    "until_quiet",
]
