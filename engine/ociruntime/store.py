"""The directories below `--root`, one a container, and who may change what is in them.

A call that changes a container holds a lock on its directory, and keeps it until it ends. Reading
needs none: state.json is only ever replaced as a whole.
"""

import fcntl
import os

from engine.errors import Conflict, InvalidArgument, NotFound
from engine.ociruntime import record
from engine.ociruntime.record import Record

_LONGEST_ID = 1024
_IN_IDS = frozenset("+-._")


def default_root() -> str:
    """Root's own place, or the user's (rootless)."""
    runtime_dir = os.environ.get("XDG_RUNTIME_DIR", "")
    if is_root():
        return "/run/berth-runtime"
    return f"{runtime_dir}/berth-runtime" if runtime_dir.startswith("/") else "/run/berth-runtime"


def is_root() -> bool:
    """Not merely within a user namespace."""
    return os.geteuid() == 0 and not _in_user_namespace()


def _in_user_namespace() -> bool:
    try:
        with open("/proc/self/uid_map", "rb") as lines:
            return lines.readline().split() != [b"0", b"0", b"4294967295"]
    except FileNotFoundError:
        return False


class Store:
    """The containers of one `--root`."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)

    def path(self, container_id: str) -> str:
        """Where a container's things are. Raises InvalidArgument for what is no name."""
        check_id(container_id)
        return f"{self.root}/{container_id}"

    def ids(self) -> list[str]:
        """The names of all containers, in order."""
        try:
            return sorted(name for name in os.listdir(self.root) if is_id(name))
        except FileNotFoundError:
            return []

    def find(self, container_id: str) -> Record:
        """The record of a container. Raises NotFound."""
        found = record.read(container_id, self.path(container_id))
        if found is None:
            raise _missing(container_id)
        return found

    def make(self, container_id: str) -> Record:
        """A directory for a new container, locked. Raises Conflict when the name is taken."""
        path = self.path(container_id)
        os.makedirs(self.root, mode=0o711, exist_ok=True)
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            raise Conflict("container with given ID already exists") from None
        _lock(path, container_id)
        return Record(container_id, path)

    def hold(self, container_id: str) -> Record:
        """The record of a container that nobody else changes until this process ends.

        Raises NotFound.
        """
        _lock(self.path(container_id), container_id)
        return self.find(container_id)

    def hold_remains(self, container_id: str) -> Record:
        """As `hold`; also for a directory without a record, left by a `create` that was killed."""
        path = self.path(container_id)
        _lock(path, container_id)
        return record.read(container_id, path) or Record(container_id, path)


def _lock(path: str, container_id: str) -> None:
    """Wait for the directory's lock; the descriptor stays open, and the kernel closes it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(container_id) from None
    fcntl.flock(fd, fcntl.LOCK_EX)
    if os.fstat(fd).st_nlink == 0:  # deleted while this was waiting
        os.close(fd)
        raise _missing(container_id)


def remove(kept: Record) -> None:
    """Remove a container's directory with everything in it."""
    for directory, folders, files in os.walk(kept.directory, topdown=False):
        for name in files:
            os.unlink(f"{directory}/{name}")
        for name in folders:
            os.rmdir(f"{directory}/{name}")  # noqa: PTH106 (no call pays for pathlib)
    os.rmdir(kept.directory)  # noqa: PTH106


def _missing(container_id: str) -> NotFound:
    return NotFound(f'container "{container_id}" does not exist')


def is_id(name: str) -> bool:
    """Letters, digits, and `+ - . _`, as runc has it."""
    plain = all((each.isascii() and each.isalnum()) or each in _IN_IDS for each in name)
    return bool(name) and plain and name not in {".", ".."} and len(name) <= _LONGEST_ID


def check_id(name: str) -> None:
    """Raises InvalidArgument."""
    if not name:
        raise InvalidArgument("container id cannot be empty")
    if not is_id(name):
        raise InvalidArgument(f"invalid container ID format: {name!r}")
