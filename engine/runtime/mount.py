"""What is to be mounted where, in the words of the OCI runtime spec, and what its options mean.

No I/O: `Mount` travels between rooms, `parse_options` turns option words into kernel flags.
"""

from collections.abc import Iterable
from typing import NamedTuple

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_SYNCHRONOUS = 0x10
MS_REMOUNT = 0x20
MS_MANDLOCK = 0x40
MS_DIRSYNC = 0x80
MS_NOSYMFOLLOW = 0x100
MS_NOATIME = 0x400
MS_NODIRATIME = 0x800
MS_BIND = 0x1000
MS_MOVE = 0x2000
MS_REC = 0x4000
MS_SILENT = 0x8000
MS_POSIXACL = 1 << 16
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_RELATIME = 1 << 21
MS_I_VERSION = 1 << 23
MS_STRICTATIME = 1 << 24
MS_LAZYTIME = 1 << 25
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

# struct mount_attr of mount_setattr(2).
ATTR_RDONLY = 0x1
ATTR_NOSUID = 0x2
ATTR_NODEV = 0x4
ATTR_NOEXEC = 0x8
ATTR_ATIME = 0x70  # the mask of the three access-time modes
ATTR_RELATIME = 0x0
ATTR_NOATIME = 0x10
ATTR_STRICTATIME = 0x20
ATTR_NODIRATIME = 0x80
ATTR_IDMAP = 0x100000
ATTR_NOSYMFOLLOW = 0x200000

PROPAGATION_FLAGS = MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED

# word -> (flags to set, flags to clear), as mount(8) and the OCI spec name them.
_FLAGS = {
    "acl": (MS_POSIXACL, 0),
    "async": (0, MS_SYNCHRONOUS),
    "atime": (0, MS_NOATIME),
    "bind": (MS_BIND, 0),
    "defaults": (0, 0),
    "dev": (0, MS_NODEV),
    "diratime": (0, MS_NODIRATIME),
    "dirsync": (MS_DIRSYNC, 0),
    "exec": (0, MS_NOEXEC),
    "iversion": (MS_I_VERSION, 0),
    "lazytime": (MS_LAZYTIME, 0),
    "loud": (0, MS_SILENT),
    "mand": (MS_MANDLOCK, 0),
    "noacl": (0, MS_POSIXACL),
    "noatime": (MS_NOATIME, 0),
    "nodev": (MS_NODEV, 0),
    "nodiratime": (MS_NODIRATIME, 0),
    "noexec": (MS_NOEXEC, 0),
    "noiversion": (0, MS_I_VERSION),
    "nolazytime": (0, MS_LAZYTIME),
    "nomand": (0, MS_MANDLOCK),
    "norelatime": (0, MS_RELATIME),
    "nostrictatime": (0, MS_STRICTATIME),
    "nosuid": (MS_NOSUID, 0),
    "nosymfollow": (MS_NOSYMFOLLOW, 0),
    "rbind": (MS_BIND | MS_REC, 0),
    "relatime": (MS_RELATIME, 0),
    "remount": (MS_REMOUNT, 0),
    "ro": (MS_RDONLY, 0),
    "rw": (0, MS_RDONLY),
    "silent": (MS_SILENT, 0),
    "strictatime": (MS_STRICTATIME, 0),
    "suid": (0, MS_NOSUID),
    "symfollow": (0, MS_NOSYMFOLLOW),
    "sync": (MS_SYNCHRONOUS, 0),
}

PROPAGATION = {
    "private": MS_PRIVATE,
    "rprivate": MS_PRIVATE | MS_REC,
    "slave": MS_SLAVE,
    "rslave": MS_SLAVE | MS_REC,
    "shared": MS_SHARED,
    "rshared": MS_SHARED | MS_REC,
    "unbindable": MS_UNBINDABLE,
    "runbindable": MS_UNBINDABLE | MS_REC,
}

# Attributes for the whole tree below a bind mount: word -> (to set, to clear).
_RECURSIVE = {
    "rro": (ATTR_RDONLY, 0),
    "rrw": (0, ATTR_RDONLY),
    "rnosuid": (ATTR_NOSUID, 0),
    "rsuid": (0, ATTR_NOSUID),
    "rnodev": (ATTR_NODEV, 0),
    "rdev": (0, ATTR_NODEV),
    "rnoexec": (ATTR_NOEXEC, 0),
    "rexec": (0, ATTR_NOEXEC),
    "rnosymfollow": (ATTR_NOSYMFOLLOW, 0),
    "rsymfollow": (0, ATTR_NOSYMFOLLOW),
    "rnoatime": (ATTR_NOATIME, ATTR_ATIME),
    "ratime": (ATTR_RELATIME, ATTR_ATIME),
    "rrelatime": (ATTR_RELATIME, ATTR_ATIME),
    "rnorelatime": (0, 0),  # as without "r": the kernel's default is relatime
    "rstrictatime": (ATTR_STRICTATIME, ATTR_ATIME),
    "rnostrictatime": (ATTR_RELATIME, ATTR_ATIME),
    "rnodiratime": (ATTR_NODIRATIME, 0),
    "rdiratime": (0, ATTR_NODIRATIME),
}

# What other programs read in an fstab or in a container's configuration: labels are given by the
# engine before it calls its runtime, and mount(8) takes the rest out before it calls the kernel.
_IGNORED = frozenset(
    (
        *("z", "Z", "auto", "noauto", "user", "nouser", "users", "owner", "noowner"),
        *("group", "nogroup", "_netdev", "nofail"),
    )
)
_IGNORED_STARTS = ("x-", "X-", "comment=")

_ATTRIBUTES = (
    (MS_RDONLY, ATTR_RDONLY),
    (MS_NOSUID, ATTR_NOSUID),
    (MS_NODEV, ATTR_NODEV),
    (MS_NOEXEC, ATTR_NOEXEC),
    (MS_NODIRATIME, ATTR_NODIRATIME),
    (MS_NOSYMFOLLOW, ATTR_NOSYMFOLLOW),
)


class Mount(NamedTuple):
    """One mount: `target` is absolute inside the container, or "" for its root file system."""

    type: str
    source: str
    target: str
    options: tuple[str, ...] = ()


class MountOptions(NamedTuple):
    """Option words as the kernel takes them."""

    flags: int
    propagation: int  # 0 when not given
    tree_set: int  # mount_setattr attributes for the whole tree
    tree_cleared: int
    data: tuple[str, ...]  # what only the file system understands
    copy_up: bool = False  # tmpcopyup: start with what the image has at the target
    idmap: str = ""  # "idmap", "ridmap"


def parse_options(options: Iterable[str]) -> MountOptions:
    """Sort option words; later words win over earlier ones, as in mount(8)."""
    flags = propagation = tree_set = tree_cleared = 0
    data: list[str] = []
    copy_up, idmap = False, ""
    for word in options:
        if word in _FLAGS:
            on, off = _FLAGS[word]
            flags = (flags | on) & ~off
        elif word in PROPAGATION:
            propagation = PROPAGATION[word]
        elif word in _RECURSIVE:
            on, off = _RECURSIVE[word]
            tree_set, tree_cleared = (tree_set & ~off) | on, (tree_cleared & ~on) | off
        elif word == "tmpcopyup":
            copy_up = True
        elif word in ("idmap", "ridmap"):
            idmap = word
        elif word and word not in _IGNORED and not word.startswith(_IGNORED_STARTS):
            data.append(word)
    return MountOptions(flags, propagation, tree_set, tree_cleared, tuple(data), copy_up, idmap)


def attributes(flags: int) -> int:
    """The mount_setattr attributes that say the same as these mount(2) flags."""
    result = 0
    for flag, attribute in _ATTRIBUTES:
        if flags & flag:
            result |= attribute
    if flags & MS_NOATIME:
        result |= ATTR_NOATIME
    elif flags & MS_STRICTATIME:
        result |= ATTR_STRICTATIME
    return result


def option_words() -> list[str]:
    """Every option that has a meaning here, in order; others are for the file system."""
    return sorted({*_FLAGS, *PROPAGATION, *_RECURSIVE, "tmpcopyup", "idmap", "ridmap"})
