"""The `mounts` list: the kernel's file systems, the engine's own files, then the user's."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.containers import mounts
from engine.containers.model import Container, HostConfig, MountPoint
from engine.containers.paths import Paths
from engine.containers.spec.rootfs import Rootfs
from engine.errors import InvalidArgument
from engine.runtime import userns

_Mount = dict[str, Any]
_SAFE = ("nosuid", "noexec", "nodev")
_TTY = 5
"""The group of terminals; without sub-ids of the user's there is none."""


def default_mounts(host: HostConfig) -> list[_Mount]:
    """What every container has, as Docker's oci/defaults.go lists it."""
    access = "rw" if host.privileged else "ro"
    tty = (f"gid={_TTY}",) if userns.gids().has(_TTY) else ()
    return [
        _mount("/proc", "proc", "proc", *_SAFE),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount(
            "/dev/pts",
            "devpts",
            "devpts",
            *("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", *tty),
        ),
        _mount("/sys", "sysfs", "sysfs", *_SAFE, access),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", access, *_SAFE),
        *_ipc_mounts(host),
    ]


def file_mounts(container_id: str, paths: Paths, *, readonly: bool) -> list[_Mount]:
    """/etc/resolv.conf, /etc/hostname and /etc/hosts from the container's own directory."""
    files = {
        "/etc/resolv.conf": paths.resolv_conf(container_id),
        "/etc/hostname": paths.hostname(container_id),
        "/etc/hosts": paths.hosts(container_id),
    }
    access = ("ro",) if readonly else ()
    return [
        _mount(target, "bind", str(source), "rbind", "rprivate", *access)
        for target, source in files.items()
    ]


def user_mounts(container: Container, paths: Paths, rootfs: Rootfs) -> list[_Mount]:
    """Binds, tmpfs and anonymous volumes, parents before what is mounted inside them.

    Makes the missing source of a `-v`, as Docker does.

    Raises:
        InvalidArgument: the source of a `--mount` does not exist.
    """
    host = container.host_config
    points = [point for point in mounts.points(host) if point.type != "volume"]
    volumes = mounts.anonymous(container.config, host)
    _make_sources(host)
    made = [_point(point) for point in points]
    made += _volumes(volumes, paths.volumes(container.id), rootfs)
    return sorted(made, key=lambda mount: mount["destination"].count("/"))


def check_sources(host: HostConfig) -> None:
    """Raises InvalidArgument when the source of a `--mount type=bind` does not exist."""
    for point in host.mounts:
        if point.type == "bind" and not os.path.exists(point.source):
            raise InvalidArgument(
                'invalid mount config for type "bind": bind source path does not exist:'
                f" {point.source}"
            )


def _mount(target: str, kind: str, source: str, *options: str) -> _Mount:
    return {"destination": target, "type": kind, "source": source, "options": list(options)}


def _ipc_mounts(host: HostConfig) -> list[_Mount]:
    if host.ipc_mode == "host":
        theirs = (path for path in ("/dev/shm", "/dev/mqueue") if os.path.isdir(path))
        return [_mount(path, "bind", path, "rbind", "rprivate") for path in theirs]
    queue = _mount("/dev/mqueue", "mqueue", "mqueue", *_SAFE)
    if host.ipc_mode == "none":
        return [queue]
    size = f"size={host.shm_size or 64 * 1024 * 1024}"
    return [queue, _mount("/dev/shm", "tmpfs", "shm", *_SAFE, "mode=1777", size)]


def _make_sources(host: HostConfig) -> None:
    check_sources(host)
    for point in mounts.binds(host):
        if not os.path.lexists(point.source):
            os.makedirs(point.source, exist_ok=True)


def _point(point: MountPoint) -> _Mount:
    return _tmpfs(point) if point.type == "tmpfs" else _bind(point)


def _bind(point: MountPoint) -> _Mount:
    access = "ro" if point.read_only else "rw"
    options = ("rbind", access, point.propagation or "rprivate")
    return _mount(point.target, "bind", point.source, *options)


def _tmpfs(point: MountPoint) -> _Mount:
    """`--tmpfs` keeps its options in `source`; a `--mount` has a size and a mode."""
    options = [option for option in point.source.split(",") if option]
    options += [f"size={point.tmpfs_size}"] if point.tmpfs_size else []
    options += [f"mode={point.tmpfs_mode:o}"] if point.tmpfs_mode else []
    options += ["ro"] if point.read_only else []
    return _mount(point.target, "tmpfs", "tmpfs", "noexec", "nosuid", "nodev", *options)


def _volumes(targets: Iterable[str], home: Path, rootfs: Rootfs) -> list[_Mount]:
    """A directory of the container's own where its image has none; else the image's is used.

    The writable layer keeps what is written there just as long: until the container is removed.
    """
    made = []
    for number, target in enumerate(targets):
        if not rootfs.exists(target):
            source = home / str(number)
            source.mkdir(parents=True, exist_ok=True)
            made.append(_mount(target, "bind", str(source), "rbind", "rprivate"))
    return made
