"""The standard library of a Python interpreter, so that `python3` works in the image."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from engine.errors import InvalidArgument

_NAME = re.compile(r"python(\d+(\.\d+)?)?")
_ASK = "import json,sys;print(json.dumps([p for p in sys.path if p]))"
_TIMEOUT = 20.0  # seconds for the interpreter to say where its library is
_SKIPPED = frozenset(
    {
        "__pycache__", "site-packages", "dist-packages", "test", "tests", "idle_test", "idlelib",
        "tkinter", "turtledemo", "lib2to3",
    }
)  # fmt: skip
_STATIC = re.compile(r"config-.*")  # the static library, for embedding
_TEST_MODULE = re.compile(r"(_test|_xx|xx|_ctypes_test|_tkinter).*\.so")


def is_python(path: Path) -> bool:
    """Whether a real program file is CPython or one of its kin, by its name."""
    return _NAME.fullmatch(path.name) is not None


def library(interpreter: Path) -> list[Path]:
    """Every file of the standard library, without tests and compiled caches.

    Raises InvalidArgument when the interpreter does not start.
    """
    files: list[Path] = []
    roots = _search_path(interpreter)
    for root in roots:
        if root.is_file():
            files.append(root)
        elif root.is_dir():
            files += _walk(root, {other for other in roots if other != root})
    return files


def _search_path(interpreter: Path) -> list[Path]:
    """`sys.path` without site: the interpreter itself knows best where its library is."""
    command = [str(interpreter), "-I", "-S", "-c", _ASK]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_TIMEOUT, check=True, env={}, text=True
        )
        return [Path(item) for item in json.loads(done.stdout)]
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise InvalidArgument(f"program {interpreter} does not start: {error}") from None


def _walk(root: Path, others: set[Path]) -> Iterator[Path]:
    """`lib-dynload` lies inside the library and is on the path itself: walked once."""
    for directory, names, files in os.walk(root):
        place = Path(directory)
        names[:] = sorted(
            name
            for name in names
            if name not in _SKIPPED and not _STATIC.fullmatch(name) and place / name not in others
        )
        for name in sorted(files):
            if not _TEST_MODULE.fullmatch(name) and (place / name).is_file():
                yield place / name
