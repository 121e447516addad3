"""Unpack a tar stream below one directory: fast, and safe against whoever wrote it.

Every name is split, checked and opened one component at a time from directory descriptors, so the
archive cannot write outside whatever it holds. Times of directories come last, because filling a
directory changes them.
"""

import errno
import os
import stat
from collections.abc import Callable

from engine.errors import Forbidden, Unavailable, UnsafeArchive
from engine.runtime import userns
from engine.snapshots import tree
from engine.snapshots.archive import whiteouts
from engine.snapshots.archive.directories import Directories, Place, is_mark, lstat
from engine.snapshots.archive.entry import Entry, Kind, split
from engine.snapshots.archive.reader import TarReader

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OVERLAY_XATTRS = ("trusted.overlay.", "user.overlay.")
_UNSUPPORTED = {errno.ENOTSUP, errno.EOPNOTSUPP}
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# What only the archive can be blamed for, since the directory was new and ours.
_IMPOSSIBLE = {
    errno.EEXIST,
    errno.EFBIG,
    errno.EILSEQ,
    errno.EINVAL,
    errno.EISDIR,
    errno.ELOOP,
    errno.EMLINK,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
}


class Extractor:
    """One extraction below `root`, a descriptor of a directory.

    With `marks` whiteouts become overlayfs's own; without, they are checked and skipped. `size`
    (bytes of files) and `entries` count what was unpacked; `opaque` says that the tar hides
    everything below it.
    """

    def __init__(self, root: int, *, marks: bool) -> None:
        self._root = root
        self._marks = marks
        self._directories = Directories(root, whiteouts.replace_mark)
        self.opaque = False
        self._times: dict[Place, int] = {}
        self._owner = (os.geteuid(), os.getegid())
        self.size = 0
        self.entries = 0
        self._make: dict[Kind, Callable[[Entry, int, Place], None]] = {
            Kind.SYMLINK: self._symlink,
            Kind.HARDLINK: self._hardlink,
            Kind.CHARACTER: self._device,
            Kind.BLOCK: self._device,
            Kind.FIFO: self._fifo,
        }

    def run(self, tar: TarReader) -> None:
        """Unpack everything. Raises UnsafeArchive, Forbidden, or Unavailable: no space."""
        try:
            for entry in tar:
                self._extract(entry, tar)
            self._set_times()
        except PermissionError as error:
            what = f"cannot unpack {os.fsdecode(error.filename or '')!r}: {error.strerror}"
            raise Forbidden(f"{what}; files keep their owners: run the engine as root") from error
        except OSError as error:
            if error.errno in FULL:
                raise Unavailable("no space left on the device to unpack a layer") from error
            raise
        finally:
            self._directories.close()

    def _extract(self, entry: Entry, tar: TarReader) -> None:
        place = split(entry.name)
        self.entries += 1
        if not place:
            self._root_entry(entry)
        elif any(part.startswith(whiteouts.PREFIX) for part in place):
            self._whiteout(entry, place)
        else:
            try:
                self._entry(entry, place, tar)
            except OSError as error:
                if error.errno not in _IMPOSSIBLE:
                    raise
                raise UnsafeArchive(f"entry {entry.name!r:.120}: {error}") from None

    def _root_entry(self, entry: Entry) -> None:
        if entry.kind is not Kind.DIRECTORY:
            raise UnsafeArchive(f"entry {entry.name!r:.120}: the root can only be a directory")
        self._decorate(self._root, entry)
        self._times[()] = entry.mtime_ns

    def _entry(self, entry: Entry, name: Place, tar: TarReader) -> None:
        place = (*self._directories.real(name[:-1]), name[-1])
        parent = self._directories.open(place[:-1])
        if entry.kind is Kind.DIRECTORY:
            self._directory(entry, parent, place)
            return
        if entry.kind is Kind.FILE:
            self._file(entry, parent, place, tar)
            return
        self._make_room(parent, place)
        self._make[entry.kind](entry, parent, place)

    def _file(self, entry: Entry, parent: int, place: Place, tar: TarReader) -> None:
        name = place[-1]
        try:
            descriptor = os.open(name, _CREATE, 0o600, dir_fd=parent)
        except FileExistsError:
            self._make_room(parent, place)
            descriptor = os.open(name, _CREATE, 0o600, dir_fd=parent)
        try:
            _write(descriptor, entry, tar)
            self._decorate(descriptor, entry)
            os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(descriptor)
        self.size += entry.size

    def _directory(self, entry: Entry, parent: int, place: Place) -> None:
        name = place[-1]
        status = lstat(parent, name)
        if status is None:
            os.mkdir(name, 0o700, dir_fd=parent)
        elif is_mark(status):
            whiteouts.replace_mark(parent, name)
        elif not stat.S_ISDIR(status.st_mode):
            os.unlink(name, dir_fd=parent)
            os.mkdir(name, 0o700, dir_fd=parent)
        self._decorate(self._directories.open(place), entry)
        self._times[place] = entry.mtime_ns

    def _symlink(self, entry: Entry, parent: int, place: Place) -> None:
        if not entry.link or "\0" in entry.link:
            raise UnsafeArchive(f"entry {entry.name!r:.120}: a symbolic link to nowhere")
        os.symlink(entry.link, place[-1], dir_fd=parent)
        self._own(entry, parent, place[-1])

    def _hardlink(self, entry: Entry, _parent: int, place: Place) -> None:
        """Only to what this very root holds; its owner and times are its target's."""
        target = split(entry.link, f"hard link {entry.name!r:.60} to")
        directory = self._directories.real(target[:-1])
        source = self._directories.existing(directory) if target else None
        status = None if source is None else lstat(source, target[-1])
        if source is None or status is None or stat.S_ISDIR(status.st_mode) or is_mark(status):
            raise UnsafeArchive(
                f"hard link {entry.name!r:.120}: its target {entry.link!r:.120} is not in the layer"
            )
        source = os.dup(source)  # opening the other directory may close this one
        try:
            parent = self._directories.open(place[:-1])
            os.link(
                target[-1], place[-1], src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False
            )
        finally:
            os.close(source)

    def _device(self, entry: Entry, parent: int, place: Place) -> None:
        if (entry.major, entry.minor) == (0, 0) or entry.major < 0 or entry.minor < 0:
            raise UnsafeArchive(
                f"entry {entry.name!r:.120}: device {entry.major}:{entry.minor} is not allowed"
            )
        if userns.rootless():
            return  # the kernel lets nobody make devices here; a container's /dev has its own
        kind = stat.S_IFCHR if entry.kind is Kind.CHARACTER else stat.S_IFBLK
        try:
            os.mknod(place[-1], kind | 0o600, os.makedev(entry.major, entry.minor), dir_fd=parent)
        except (PermissionError, OverflowError) as error:
            raise UnsafeArchive(
                f"entry {entry.name!r:.120}: a {entry.kind} cannot be made here: {error}"
            ) from None
        self._own(entry, parent, place[-1], chmod=True)

    def _fifo(self, entry: Entry, parent: int, place: Place) -> None:
        os.mknod(place[-1], stat.S_IFIFO | 0o600, dir_fd=parent)
        self._own(entry, parent, place[-1], chmod=True)

    def _whiteout(self, entry: Entry, place: Place) -> None:
        whiteout = whiteouts.read(entry.name, place)
        if whiteout is None or not self._marks:
            return
        if not whiteout.place:
            self.opaque = True  # no mark on a layer's root has a meaning to overlayfs
        elif whiteout.opaque:
            place = self._directories.real(whiteout.place)
            whiteouts.mark_opaque(self._directories.open(place))
        else:
            parent = self._directories.open(self._directories.real(whiteout.place[:-1]))
            whiteouts.mark_hidden(parent, whiteout.place[-1])

    def _make_room(self, parent: int, place: Place) -> None:
        """The last entry of a name wins, as in tar and Docker."""
        status = lstat(parent, place[-1])
        if status is None:
            return
        if not stat.S_ISDIR(status.st_mode):
            os.unlink(place[-1], dir_fd=parent)
            return
        self._directories.forget(place)
        self._times = {at: ns for at, ns in self._times.items() if at[: len(place)] != place}
        tree.remove_at(parent, place[-1])

    def _decorate(self, descriptor: int, entry: Entry) -> None:
        """Owner first: chown clears setuid bits and capabilities."""
        if self._to_give_away(entry):
            os.fchown(descriptor, entry.uid, entry.gid)
        os.fchmod(descriptor, entry.mode)
        if entry.xattrs:
            _set_xattrs(descriptor, entry)

    def _own(self, entry: Entry, parent: int, name: str, *, chmod: bool = False) -> None:
        if self._to_give_away(entry):
            os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        if chmod:
            os.chmod(name, entry.mode, dir_fd=parent)
        if entry.xattrs:
            _set_xattrs(f"/proc/self/fd/{parent}/{name}", entry)
        times = (entry.mtime_ns, entry.mtime_ns)
        os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)

    def _to_give_away(self, entry: Entry) -> bool:
        """Whether it belongs to somebody else. Where there is one id only, all files get that.

        Raises Forbidden when this user namespace has no such owner.
        """
        if (entry.uid, entry.gid) == self._owner or userns.single_id():
            return False
        if userns.uids().has(entry.uid) and userns.gids().has(entry.gid):
            return True
        raise Forbidden(
            f"{entry.name!r:.120} belongs to {entry.uid}:{entry.gid}, and this user has the ids 0"
            f" to {min(userns.uids().last, userns.gids().last)} only: add more to /etc/subuid and"
            " /etc/subgid"
        )

    def _set_times(self) -> None:
        for place in sorted(self._times, key=len, reverse=True):
            directory = self._directories.existing(place)
            if directory is not None:
                os.utime(directory, ns=(self._times[place], self._times[place]))


def _write(descriptor: int, entry: Entry, tar: TarReader) -> None:
    if entry.sparse is None:
        for piece in tar.data():
            _write_all(descriptor, piece)
        return
    os.ftruncate(descriptor, entry.size)
    pieces = iter(entry.sparse)
    left = 0
    for data in tar.data():
        rest = data
        while rest:
            while not left:
                offset, left = next(pieces)
                os.lseek(descriptor, offset, os.SEEK_SET)
            part = rest[:left]
            _write_all(descriptor, part)
            left -= len(part)
            rest = rest[len(part) :]


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _set_xattrs(target: int | str, entry: Entry) -> None:
    """Overlayfs's own attributes are dropped: an archive must not steer the mount."""
    for name, value in entry.xattrs.items():
        if name.startswith(_OVERLAY_XATTRS):
            continue
        if "\0" in name:
            raise UnsafeArchive(f"entry {entry.name!r:.120}: an attribute's name holds a NUL byte")
        try:
            if isinstance(target, int):
                os.setxattr(target, name, value)
            else:
                os.setxattr(target, name, value, follow_symlinks=False)
        except OSError as error:
            if error.errno in _UNSUPPORTED or isinstance(error, PermissionError):
                continue  # the file system or the rights have no room for it, as in Docker
            raise UnsafeArchive(
                f"entry {entry.name!r:.120}: attribute {name!r:.60}: {error}"
            ) from None
