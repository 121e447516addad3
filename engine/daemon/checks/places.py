"""Where the engine keeps its things, and whether another one does."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from engine.daemon import listen, lock
from engine.daemon.checks.check import Check
from engine.daemon.options import Options

WANTED_BYTES = 1024**3


def checks(options: Options) -> Iterator[Check]:
    yield _writable("data directory", options.data_dir, "--data-dir")
    yield _writable("run directory", options.run_dir, "--run-dir")
    yield _socket(options.socket)
    yield _space(options.data_dir)
    yield _engine(options)


def _writable(name: str, path: Path, option: str) -> Check:
    place = _existing(path)
    if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
        return Check(name, str(path))
    fix = f"make {place} writable for this user, or give another {option}"
    return Check(name, f"{path} cannot be written", fix, needed=True)


def _socket(path: Path) -> Check:
    if len(os.fsencode(path)) <= listen.MAX_PATH:
        return Check("socket", str(path))
    fix = f"give --socket a path of at most {listen.MAX_PATH} bytes"
    return Check("socket", f"{path} is too long", fix, needed=True)


def _space(path: Path) -> Check:
    usage = shutil.disk_usage(_existing(path))
    found = f"{usage.free / WANTED_BYTES:.1f} GiB free of {usage.total / WANTED_BYTES:.1f} GiB"
    if usage.free >= WANTED_BYTES:
        return Check("disk space", found)
    return Check("disk space", found, f"make room on the file system of {path}")


def _engine(options: Options) -> Check:
    try:
        pid = lock.holder(options.lock_file)
    except PermissionError:
        return Check("engine", "only root can see whether one runs")
    if pid is not None:
        return Check("engine", f"runs (pid {pid})")
    if listen.answers(options.socket):
        fix = f"stop it, or give another --socket than {options.socket}"
        return Check("engine", "one with another data directory answers at the socket", fix)
    return Check("engine", "none runs")


def _existing(path: Path) -> Path:
    """The nearest directory that is there already."""
    return next(place for place in (path, *path.parents) if place.exists())
