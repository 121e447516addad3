"""The root file system itself: mounted in the container's mount namespace, then pivoted to."""

import os
from collections.abc import Sequence

from engine.runtime import mount as words
from engine.runtime import syscalls
from engine.runtime.plan import MountPlan

from .mounts import clone

_PAGE = 4096  # mount(2) takes one page of options
_OVERLAY_PATHS = ("lowerdir", "upperdir", "workdir")


def isolate(propagation: int) -> None:
    """Stop mounts of this namespace from reaching the host; a slave still hears of the host's."""
    kind = words.MS_SLAVE if propagation & words.MS_SLAVE else words.MS_PRIVATE
    syscalls.mount(None, "/", None, kind | words.MS_REC)


def mount_root(root: str, layers: Sequence[MountPlan], propagation: int = 0) -> int:
    """Mount the root file system at `root` and open it as a handle.

    Without `layers`, `root` is bound on itself, which makes it the mount that pivot_root needs; as
    a slave it still hears of what the host mounts there.
    """
    kept = propagation if propagation & words.MS_SLAVE else 0
    own = MountPlan("bind", root, "", words.MS_BIND | words.MS_REC, kept, 0, 0, "")
    for layer in layers or (own,):
        if layer.type == "bind":
            _attach(clone(layer), root)
        else:
            _mount_layer(layer, root)
    return os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _attach(tree: int, root: str) -> None:
    target = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    syscalls.move_mount(tree, target)
    os.close(target)
    os.close(tree)


def _mount_layer(layer: MountPlan, root: str) -> None:
    if layer.type != "overlay" or len(os.fsencode(layer.data)) < _PAGE:
        syscalls.mount(layer.source, root, layer.type, layer.flags, layer.data)
        return
    data, held = _shortened(layer.data)
    os.chdir("/proc/self/fd")  # where the number of a descriptor is the name of its directory
    syscalls.mount(layer.source, root, layer.type, layer.flags, data)
    os.chdir("/")
    for fd in held:
        os.close(fd)


def _shortened(data: str) -> tuple[str, list[int]]:
    """The same overlay options with each directory named by a descriptor.

    Four bytes a layer: as many fit into the page as overlayfs stacks at all (500).
    """
    held: list[int] = []
    shortened = []
    for option in data.split(","):
        key, equals, value = option.partition("=")
        if key in _OVERLAY_PATHS:
            fds = [os.open(path, os.O_PATH | os.O_CLOEXEC) for path in value.split(":")]
            held += fds
            value = ":".join(map(str, fds))
        shortened.append(key + equals + value)
    return ",".join(shortened), held


def pivot(root: int) -> None:
    """Make `root` the root of this mount namespace and let go of the old one (pivot_root(2))."""
    old = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    os.fchdir(root)
    syscalls.pivot_root(".", ".")
    os.fchdir(old)
    syscalls.mount(None, ".", None, words.MS_PRIVATE | words.MS_REC)
    syscalls.umount(".", words.MNT_DETACH)
    os.chdir("/")
    os.close(old)


def cover(root: int) -> None:
    """As `pivot`, where the root is a ramdisk that pivot_root(2) cannot leave.

    `root` is moved on top of it. What else of the host is mounted goes first: whoever finds a way
    out of a chroot then finds no /proc and no /sys of the host's, and the ramdisk alone.
    """
    own = os.readlink(f"/proc/self/fd/{root}")
    others = [
        path for path in _mount_points() if path != "/" and not f"{path}/".startswith(f"{own}/")
    ]
    os.fchdir(root)
    syscalls.mount(".", "/", None, words.MS_MOVE)
    for path in reversed(others):  # still found: the root of this process is the old one
        try:  # noqa: SIM105 (no monitor pays for contextlib)
            syscalls.umount(path, words.MNT_DETACH | words.UMOUNT_NOFOLLOW)
        except OSError:
            pass  # gone with the mount that it was in, or one that a user namespace has locked
    os.chroot(".")
    os.chdir("/")


def _mount_points() -> list[str]:
    with open("/proc/self/mountinfo", "rb") as lines:
        return [os.fsdecode(_unescaped(line.split(b" ")[4])) for line in lines]


def _unescaped(path: bytes) -> bytes:
    """Octal escapes of proc_pid_mountinfo(5)."""
    for code in (b"040", b"011", b"012", b"134"):
        path = path.replace(b"\\" + code, bytes([int(code, 8)]))
    return path


def finish(propagation: int, readonly: bool) -> None:
    """After the pivot and every other mount: the root's own propagation, then read-only."""
    fd = os.open("/", os.O_PATH | os.O_CLOEXEC)
    if propagation & words.PROPAGATION_FLAGS:
        kind = propagation & words.PROPAGATION_FLAGS
        recursive = bool(propagation & words.MS_REC)
        syscalls.mount_setattr(fd, propagation=kind, recursive=recursive)
    if readonly:
        syscalls.mount_setattr(fd, attributes=words.ATTR_RDONLY)
    os.close(fd)
