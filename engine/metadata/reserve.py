"""Room set aside on a disk, for the writes without which no room can be made."""

import os
from pathlib import Path

SIZE = 256 * 1024
"""Bytes: the pages of many deletions, and of their journal."""


class Reserve:
    """A file of nothing; `spend` gives its room back, `renew` takes it again when there is some."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def renew(self) -> None:
        """Have it; where there is no room for it there is none to set aside."""
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        try:
            os.posix_fallocate(descriptor, 0, SIZE)
        except OSError:
            self._path.unlink()
        finally:
            os.close(descriptor)

    def spend(self) -> bool:
        """Whether there was something to give."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
