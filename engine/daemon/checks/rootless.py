"""What an engine without root needs of a machine: tried in a user namespace made for that."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.daemon.checks.check import Check
from engine.daemon.options import Options
from engine.daemon.rootless import ids, network, obstacles, storage
from engine.runtime import mount, syscalls

_LARGEST = 4096
_NOTHING_WRONG = "ok"


def checks(options: Options) -> Iterator[Check]:
    refused = tried(lambda: "")
    yield _namespace(refused)
    yield _ids()
    yield _network()
    if not refused:
        yield _proc()
        yield _storage(options.data_dir)


def _namespace(refused: str) -> Check:
    if not refused:
        return Check("user namespace", "can be made")
    return Check("user namespace", refused, obstacles.find() or "run the engine as root", True)


def _ids() -> Check:
    found = ids.find(os.geteuid(), os.getegid())
    if not found.single:
        count = sum(size for _, _, size in found.uids)
        return Check("sub-ids", f"{count} user ids in containers")
    return Check("sub-ids", f"{found.lack}: containers have one user id only", found.fix)


def _network() -> Check:
    name, lack, fix = network.find()
    return Check("network helper", name) if name else Check("network helper", lack, fix)


def _proc() -> Check:
    refused = tried(_mount_proc)
    if not refused:
        return Check("proc without root", "works")
    found = f"{refused}: parts of it are covered here, as in a container"
    return Check("proc without root", found, "run the engine outside of that container", True)


def _mount_proc() -> str:
    """A new pid namespace is entered by birth only."""
    syscalls.unshare(syscalls.CLONE_NEWPID)
    pid = os.fork()
    if pid == 0:
        status = errno.EIO
        try:
            syscalls.mount("proc", "/proc", "proc", 0)
            status = 0
        except OSError as error:
            status = error.errno or status
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    return os.strerror(os.waitstatus_to_exitcode(status)) if status else ""


def _storage(data_dir: Path) -> Check:
    place = next(each for each in (data_dir, *data_dir.parents) if each.exists())
    lack = tried(lambda: storage.choose(place, data_dir)[1])
    if not lack:
        return Check("overlayfs without root", "works")
    found, _, fix = lack.partition("; ")
    return Check("overlayfs without root", found, fix)


def tried(action: Callable[[], str]) -> str:
    """What `action` says as root of a user namespace, in a process of its own; or why it cannot.

    Empty when nothing is wrong.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, (_inside(action) or _NOTHING_WRONG).encode()[:_LARGEST])
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        said = file.read().decode(errors="replace") or "the attempt died"
    os.waitpid(pid, 0)
    return "" if said == _NOTHING_WRONG else said


def _inside(action: Callable[[], str]) -> str:
    uid, gid = os.geteuid(), os.getegid()
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
        syscalls.mount(None, "/", None, mount.MS_PRIVATE | mount.MS_REC)
        return action()
    except OSError as error:
        return f"refused: {error.strerror or error}"
