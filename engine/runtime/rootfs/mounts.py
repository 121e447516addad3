"""The config's mounts, made below the container's root before the pivot.

Sources of bind mounts are copied first, as detached trees: what their paths mean is settled while
only the host's own files are in sight, and a copy of a shared tree stays a peer of it.
"""

import errno
import os
import stat
from collections.abc import Sequence

from engine.runtime import mount as words
from engine.runtime import syscalls, userns
from engine.runtime.kit import within
from engine.runtime.plan import CgroupView, MountPlan

from . import cgroup, paths

_NEEDS_PLAIN_DIRECTORY = ("proc", "sysfs")  # a link here would put them where no mask looks
_HOST = {"proc": "/proc", "sysfs": "/sys"}
_LARGEST_STATUS = 4096
_COVERED = (
    "parts of this machine's /proc are covered, as in a container, so the kernel lets no user"
    " namespace see it anew; uncover them, run the engine as root, or share it (--pid host)"
)
_LATE_READONLY = ("tmpfs",)  # later mounts still need targets made in them


def clone_sources(mounts: Sequence[MountPlan]) -> dict[int, int]:
    """A detached copy of each bind mount's source, by its place in `mounts`."""
    clones = {}
    for index, mount in enumerate(mounts):
        if mount.type == "bind":
            clones[index] = clone(mount)
    return clones


def clone(mount: MountPlan) -> int:
    """A detached copy of the bind's source with the wanted flags and propagation.

    Only flags that restrict are set: a source that is read-only on the host stays so.
    """
    recursive = syscalls.AT_RECURSIVE if mount.flags & words.MS_REC else 0
    fd = syscalls.open_tree(syscalls.AT_FDCWD, mount.source, syscalls.OPEN_TREE_CLONE | recursive)
    try:
        _propagate(fd, mount.propagation or words.MS_PRIVATE | words.MS_REC)
        _restrict(fd, mount)
    except OSError as error:
        raise _failed(mount, error) from error
    return fd


def _propagate(fd: int, propagation: int) -> None:
    """Without "shared", mounts below that the word leaves out become slaves, as under runc.

    Otherwise what the container mounts or unmounts there would happen on the host as well.
    """
    kind, recursive = propagation & words.PROPAGATION_FLAGS, bool(propagation & words.MS_REC)
    if not recursive and kind != words.MS_SHARED:
        syscalls.mount_setattr(fd, propagation=words.MS_SLAVE, recursive=True)
    syscalls.mount_setattr(fd, propagation=kind, recursive=recursive)


def _restrict(fd: int, mount: MountPlan) -> None:
    atime = words.MS_NOATIME | words.MS_STRICTATIME | words.MS_RELATIME
    attributes = words.attributes(mount.flags)
    clear = words.ATTR_ATIME if mount.flags & atime else 0
    if attributes or clear:
        syscalls.mount_setattr(fd, attributes=attributes, clear=clear)
    if mount.tree_set or mount.tree_cleared:
        syscalls.mount_setattr(
            fd, attributes=mount.tree_set, clear=mount.tree_cleared, recursive=True
        )


class Mounter:
    """Makes the mounts one after the other below `root`, the descriptor of the mounted root.

    Args:
        clones: `clone_sources(mounts)`.
        trees: what was made ahead, as detached trees by the target of the mount at their top.
    """

    def __init__(
        self,
        root: int,
        mounts: Sequence[MountPlan],
        clones: dict[int, int],
        trees: dict[str, int] | None = None,
    ) -> None:
        self._root = root
        self._mounts = mounts
        self._clones = clones
        self._trees = trees or {}
        self._identity = _identity(root)
        self._proc: int | None = None  # device number of the container's /proc
        self._readonly: list[str] = []
        self.strayed = False  # whether a link of the image led into one of the trees

    def make(self) -> None:
        """Make all but the cgroup view. Raises OSError that names type and target."""
        for index, mount in enumerate(self._mounts):
            if within(self._trees, mount.target):
                self._put(mount)
            elif mount.type == "bind":
                self._bind(mount, self._clones.pop(index))
            elif mount.type not in cgroup.TYPES:
                self._fresh(mount)

    def make_cgroup(self, view: CgroupView) -> None:
        """Make the cgroup view, then what could only now become read-only."""
        for mount in self._mounts:
            if mount.type in cgroup.TYPES and not within(self._trees, mount.target):
                target = self._target(mount, True)
                cgroup.mount_view(self._root, mount, target, view)
                os.close(target)
        for path in self._readonly:
            fd = paths.open_path(self._root, path)
            syscalls.mount_setattr(fd, attributes=words.ATTR_RDONLY)
            os.close(fd)

    def _put(self, mount: MountPlan) -> None:
        """Attach a tree by its top; what else was mounted in it comes along."""
        if mount.target not in self._trees:
            return
        tree = self._trees[mount.target]
        if mount.type == "proc":
            self._proc = os.fstat(tree).st_dev
        target = self._target(mount, True)
        try:
            syscalls.move_mount(tree, target)
        except OSError as error:
            raise _failed(mount, error) from error
        os.close(target)

    def _bind(self, mount: MountPlan, source: int) -> None:
        target = self._target(mount, _is_directory(source))
        try:
            syscalls.move_mount(source, target)
        except OSError as error:
            raise _failed(mount, error) from error
        os.close(target)
        os.close(source)

    def _fresh(self, mount: MountPlan) -> None:
        covered = self._covered(mount)
        target = self._target(mount, True)
        late = mount.flags & words.MS_RDONLY and mount.type in _LATE_READONLY
        flags = mount.flags & ~words.MS_RDONLY if late else mount.flags
        try:
            _mount_fresh(mount, target, flags)
        finally:
            os.close(target)
        if covered is not None:
            self._inherit(mount, covered)
        if late:
            self._readonly.append(mount.target)
        if mount.type == "proc" or mount.propagation or mount.tree_set or mount.tree_cleared:
            self._after(mount)

    def _covered(self, mount: MountPlan) -> int | None:
        """The image's directory that a tmpfs takes something from."""
        if mount.type != "tmpfs" or ("mode=" in mount.data and not mount.copy_up):
            return None
        try:
            return paths.open_path(self._root, mount.target, os.O_PATH | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _inherit(self, mount: MountPlan, covered: int) -> None:
        """As runc does: the mode, unless it is given, and with tmpcopyup all that is in there."""
        made = paths.open_path(self._root, mount.target, os.O_PATH | os.O_DIRECTORY)
        status = os.fstat(covered)
        try:
            if mount.copy_up:
                from . import copyup  # few ask for it

                copyup.copy(covered, made)
                os.chown(paths.magic(made), status.st_uid, status.st_gid)
            if "mode=" not in mount.data:
                os.chmod(paths.magic(made), stat.S_IMODE(status.st_mode))
        except OSError as error:
            raise _failed(mount, error) from error
        finally:
            os.close(covered)
            os.close(made)

    def _after(self, mount: MountPlan) -> None:
        made = paths.open_path(self._root, mount.target)
        if mount.type == "proc":
            self._proc = os.fstat(made).st_dev
        if mount.propagation:
            kind = mount.propagation & words.PROPAGATION_FLAGS
            syscalls.mount_setattr(made, propagation=kind)
        if mount.tree_set or mount.tree_cleared:
            syscalls.mount_setattr(
                made, attributes=mount.tree_set, clear=mount.tree_cleared, recursive=True
            )
        os.close(made)

    def _target(self, mount: MountPlan, directory: bool) -> int:
        """The place to mount on, made where missing; refused where a hostile image leads astray."""
        try:
            return self._find_target(mount, directory)
        except OSError as error:
            raise _failed(mount, error) from error

    def _find_target(self, mount: MountPlan, directory: bool) -> int:
        if mount.type in _NEEDS_PLAIN_DIRECTORY:
            fd = self._plain_directory(mount)
        elif directory:
            fd = paths.make_directory(self._root, mount.target)
        else:
            fd = paths.make_file(self._root, mount.target)
            if _is_directory(fd):
                raise NotADirectoryError(errno.ENOTDIR, "a file cannot be bound on a directory")
        if _identity(fd) == self._identity:
            raise PermissionError(errno.EPERM, "its target leads to the root of the container")
        inside_proc = self._proc is not None and os.fstat(fd).st_dev == self._proc
        if self._trees and (strayed := self._stray(fd, mount.target)):
            self.strayed = True
            inside_proc = inside_proc or strayed == "/proc"
        if inside_proc and mount.target != "/proc" and not mount.target.startswith("/proc/"):
            raise PermissionError(errno.EPERM, "its target leads into /proc")
        return fd

    def _stray(self, fd: int, path: str) -> str:
        """The top of the tree that `fd` is in though `path` is not what says so; empty for none.

        What hides a part of a tree is there already, and is another file system than the tree's.
        """
        top, place = (os.readlink(paths.magic(each)) for each in (self._root, fd))
        inside = place.removeprefix(top.rstrip("/"))
        if inside == path or not within(self._trees, inside):
            return ""
        return f"/{inside.split('/')[1]}"

    def _plain_directory(self, mount: MountPlan) -> int:
        try:
            return paths.make_directory(self._root, mount.target, syscalls.RESOLVE_NO_SYMLINKS)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR, errno.EEXIST):
                raise
            raise PermissionError(errno.EPERM, "its target is not an ordinary directory") from error


def _mount_fresh(mount: MountPlan, target: int, flags: int) -> None:
    try:
        syscalls.mount(mount.source, paths.magic(target), mount.type, flags, mount.data)
    except OSError as error:
        if error.errno == errno.EPERM and _is_shared(mount.type):
            _bind_host(mount, target)
            return
        text = os.strerror(error.errno or 0)
        if mount.type == "proc" and error.errno == errno.EPERM and userns.rootless():
            text = _COVERED
        what = f"mount {mount.type} on {mount.target} (options {mount.data!r}): {text}"
        raise OSError(error.errno, what) from error


def _is_shared(kind: str) -> bool:
    """Whether the host's own file system of this kind shows what a new one would.

    A user namespace may mount them only for a network and processes that it owns (proc(5)).
    """
    if kind != "proc":
        return kind == "sysfs"
    fd = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
    try:
        lines = os.read(fd, _LARGEST_STATUS).split(b"\n")
    finally:
        os.close(fd)
    return any(line.startswith(b"NSpid:") and len(line.split()) == 2 for line in lines)


def _bind_host(mount: MountPlan, target: int) -> None:
    flags = syscalls.OPEN_TREE_CLONE | syscalls.AT_RECURSIVE
    fd = syscalls.open_tree(syscalls.AT_FDCWD, _HOST[mount.type], flags)
    _restrict(fd, mount)
    syscalls.move_mount(fd, target)
    os.close(fd)


def _is_directory(fd: int) -> bool:
    return stat.S_ISDIR(os.fstat(fd).st_mode)


def _failed(mount: MountPlan, error: OSError) -> OSError:
    where = f"mount {mount.source} on {mount.target or 'the root'}"
    return OSError(error.errno, f"{where}: {error.strerror or error}")


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino
