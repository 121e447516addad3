"""Where errors and warnings go: the caller's log file in its format, and stderr.

As runc does: with `--log FILE` the file has the record and stderr the plain words; without it
stderr has the record alone. Engines read the last record of level error.
"""

import os
import sys
import time
from _json import encode_basestring_ascii as _quote


class Report:
    """The sink of one call."""

    def __init__(self, path: str, form: str) -> None:
        self._path = path
        self._json = form == "json"

    def warn(self, text: str) -> None:
        self._record("warning", text)

    def error(self, text: str) -> None:
        """Tell what the call failed with."""
        self._record("error", text)
        if self._path:
            _print(text)

    def _record(self, level: str, text: str) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if self._json:
            line = f'{{"level":"{level}","msg":{_quote(text)},"time":"{now}"}}'
        else:
            line = f'time="{now}" level={level} msg={_quote(text)}'
        if not self._path:
            _print(line)
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            fd = os.open(self._path, flags, 0o644)
        except OSError as error:
            _print(f"cannot open the log {self._path}: {error.strerror}")
            _print(line)
            return
        try:
            os.write(fd, f"{line}\n".encode())
        finally:
            os.close(fd)


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
