"""The directories of an engine without root: nobody else may have made them, or change them."""

import os
import stat
from pathlib import Path

from engine.daemon.options import Options
from engine.errors import Forbidden


def make(options: Options) -> None:
    """Make data and run directory, 0700.

    Raises:
        Forbidden: the way to one of them belongs to somebody else, who could exchange it.
        OSError: names the path.
    """
    for path, option in ((options.data_dir, "--data-dir"), (options.run_dir, "--run-dir")):
        _make(path)
        for place in (path, *path.resolve().parents):
            if why := fault(place, own=place == path):
                raise Forbidden(f"{why}: give another {option}")


def _make(path: Path) -> None:
    """Also the directories above are nobody else's, as /tmp/berth-UID."""
    if not path.exists():
        _make(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def fault(path: Path, *, own: bool) -> str:
    """Why a directory (or with `own` false one above it) is not to be trusted; empty when it is."""
    status = path.stat()
    mine = status.st_uid == os.geteuid()
    if not mine and (own or status.st_uid != 0):
        return f"{path} belongs to uid {status.st_uid}, not to you (uid {os.geteuid()})"
    if status.st_mode & stat.S_IWOTH and (own or not status.st_mode & stat.S_ISVTX):
        return f"{path} can be written by everybody"
    return ""
