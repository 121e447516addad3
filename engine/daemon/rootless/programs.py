"""Running the programs a rootless engine needs, without what subprocess costs in memory."""

import os
from collections.abc import Sequence

from engine.runtime import signals

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": os.environ.get("PATH", _PATH)}
"""The user's own search path and nothing else: some distributions keep newuidmap apart."""

FIRST_PASSED = 60
"""Number of the first descriptor that a program is given, above all that are open here."""

_LARGEST = 65536


class Failed(Exception):
    """A program could not do what it was asked for; says why."""


def run(arguments: Sequence[str]) -> None:
    """Run to its end. Raises Failed with its last words."""
    reader, writer = os.pipe()
    try:
        pid = spawn(arguments, [], writer)
    finally:
        os.close(writer)
    with open(reader, "rb") as file:
        said = file.read(_LARGEST).decode(errors="replace").strip()
    _, status = os.waitpid(pid, 0)
    if status:
        reason = said or f"exit status {os.waitstatus_to_exitcode(status)}"
        raise Failed(f"{arguments[0]}: {reason.removeprefix(arguments[0] + ': ')}")


def spawn(arguments: Sequence[str], passed: Sequence[int], errors: int) -> int:
    """Start it; `passed` become descriptors from FIRST_PASSED on, `errors` its stdout and stderr.

    Raises Failed when it cannot be executed.
    """
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, errors, 1),
        (os.POSIX_SPAWN_DUP2, errors, 2),
    ]
    actions += [
        (os.POSIX_SPAWN_DUP2, fd, FIRST_PASSED + number) for number, fd in enumerate(passed)
    ]
    try:
        return os.posix_spawnp(
            arguments[0],
            list(arguments),
            ENVIRONMENT,
            file_actions=actions,
            setsigdef=[signals.SIGPIPE],  # which Python ignores, and pasta takes for an error
        )
    except OSError as error:
        raise Failed(f"{arguments[0]}: {os.strerror(error.errno or 0)}") from None
