"""Whether overlayfs works where it has to: found out by a mount, without root only there.

Not every kernel lets a user namespace mount it (5.11 does), nor does every file system do as its
upper layer (NFS, overlayfs itself, tmpfs before 6.6).
"""

import os
import stat
import tempfile
from pathlib import Path

from engine.runtime import syscalls
from engine.runtime.mount import MNT_DETACH
from engine.snapshots import tree
from engine.snapshots.overlay import escaped

_PARTS = ("lower", "upper", "work", "merged")


def refusal(place: Path) -> str:
    """Why layers below the directory `place` cannot be stacked; empty when they can.

    The caller is root of a user namespace with a mount namespace of its own.
    """
    place.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="probe-", dir=place))
    try:
        for part in _PARTS:
            (scratch / part).mkdir()
        return _try(scratch)
    except OSError as error:
        return f"{error.filename or scratch}: {error.strerror}"
    finally:
        tree.remove(scratch)


def _try(scratch: Path) -> str:
    lower, upper, work, merged = (scratch / part for part in _PARTS)
    (lower / "gone").mkdir()
    places = {"lowerdir": lower, "upperdir": upper, "workdir": work}
    options = ",".join(("userxattr", *(f"{key}={escaped(path)}" for key, path in places.items())))
    try:
        syscalls.mount("overlay", str(merged), "overlay", 0, options)
    except OSError as error:
        return error.strerror or str(error)
    try:
        (merged / "gone").rmdir()
        (merged / "gone").mkdir()  # needs an attribute that says "nothing of below"
    finally:
        syscalls.umount(str(merged), MNT_DETACH)
    made = (upper / "gone").stat()
    marked = stat.S_ISDIR(made.st_mode) and _is_opaque(upper / "gone")
    return "" if marked else "the file system keeps no attributes of a user's"


def _is_opaque(path: Path) -> bool:
    try:
        return os.getxattr(path, "user.overlay.opaque") == b"y"
    except OSError:
        return False
