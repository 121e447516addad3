"""What goes wrong, in the words of whoever reads them: a client, or the monitor's own log."""

import errno
import os
import time

from engine.errors import CommandNotExecutable, CommandNotFound, EngineError, RuntimeFailure
from engine.runtime.init import StepFailed

_NEVER_STARTED = 128
"""Exit code of a container whose start failed, unless the program was at fault (126, 127)."""


def complain(message: str) -> None:
    """One line in the monitor's own log."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    try:  # noqa: SIM105 (no monitor pays for contextlib)
        os.write(2, f"{stamp} {message}\n".encode(errors="replace"))
    except OSError:
        pass  # no room for it: no reason to give the container up


def start_error(failed: StepFailed) -> tuple[EngineError, int]:
    """The engine's error and the exit code a client sees."""
    if failed.step not in {"lookup", "exec"}:
        return RuntimeFailure(str(failed)), _NEVER_STARTED
    if failed.errno == errno.ENOENT:
        return CommandNotFound(str(failed)), 127
    return CommandNotExecutable(str(failed)), 126
