"""Cache and memory bandwidth of a container by Intel RDT: its group in the resctrl file system.

Follows the runtime specification, config-linux.md "IntelRdt", and the kernel's resctrl.rst. Loaded
only for a container that asks for it.
"""

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = "/sys/fs/resctrl"


def mounted() -> bool:
    """Whether this host lets anybody share out its caches."""
    return os.path.exists(f"{ROOT}/schemata")


def join(name: str, schemata: str, *, named: bool, pid: int) -> None:
    """Put a process into the group `name`, made where missing, with these lines of `schemata`.

    A group that was `named` by the configuration may exist, and must then be as it says; without
    any lines it must exist. Raises OSError; a group that was made is then gone again.
    """
    group = f"{ROOT}/{name}"
    made = _make(group, must_exist=named and not schemata)
    try:
        if schemata and made:
            _write(f"{group}/schemata", schemata)
        elif schemata:
            _compare(f"{group}/schemata", schemata)
        _write(f"{group}/tasks", str(pid))
    except OSError:
        if made:
            Path(group).rmdir()
        raise


def forget(config: Mapping[str, Any], container_id: str) -> None:
    """Remove the group that was made for a container of this configuration, if any.

    One that the configuration names is not the container's own.
    """
    wanted = (config.get("linux") or {}).get("intelRdt")
    if wanted is not None and not wanted.get("closID"):
        with suppress(FileNotFoundError):  # it was never made, or is removed already
            Path(f"{ROOT}/{container_id}").rmdir()


def _make(group: str, *, must_exist: bool) -> bool:
    if must_exist:
        os.stat(group)
        return False
    try:
        os.mkdir(group, 0o755)
    except FileExistsError:
        return False
    return True


def _compare(path: str, schemata: str) -> None:
    with open(path, encoding="ascii") as file:
        there = {line.strip() for line in file}
    for line in schemata.splitlines():
        if line.strip() not in there:
            text = f"{path}: the group is there and has other lines than {line!r}"
            raise FileExistsError(errno.EEXIST, text)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, f"{text}\n".encode())
    except OSError as error:
        what = f"write {text!r} to {path}: {os.strerror(error.errno or 0)}"
        raise OSError(error.errno, what) from error
    finally:
        os.close(fd)
